// The types of the package, for `require` and for `import` (index.d.mts). Names and meanings of fields are those of the
// API; a date-time is a `Date`, an amount is text with two decimals.

declare namespace KashIO {
  /**
   * The API for one secret key; the key decides the mode. Its form is checked at the first call, before it is sent.
   * @param key `sk_test_…` or `sk_live_…`
   */
  function authorize(key: string, options?: Settings): API;

  interface Settings {
    /** `https://api.kashio.net` if nothing is said; `http:` only to this machine. */
    baseUrl?: string;
    /** How many milliseconds a call may take, its repeats included: 30,000 if nothing is said. */
    timeout?: number;
    fetch?: typeof globalThis.fetch;
  }

  interface ReadOptions {
    /** Ends the call, which then rejects with the signal's reason. */
    signal?: AbortSignal;
    /** Milliseconds, for this call. */
    timeout?: number;
  }
  interface WriteOptions extends ReadOptions {
    /** Your name for this request, 1 to 255 visible ASCII characters; a new UUID if nothing is said. */
    idempotencyKey?: string;
  }
  interface ChangeOptions extends WriteOptions {
    /** The `version` of the invoice that you read, or its ETag: it is changed only if it is still that one. */
    ifMatch?: number | string;
  }

  /** `await` it for one page, `for await` it for all there is; nothing is asked before. */
  interface List<T> extends PromiseLike<Page<T>>, AsyncIterable<T> {
    catch<R>(reject: (reason: unknown) => R | PromiseLike<R>): Promise<Page<T> | R>;
    finally(settled: () => void): Promise<Page<T>>;
  }
  interface Page<T> {
    object: 'list';
    has_more: boolean;
    data: T[];
  }

  interface API {
    readonly account: { get(options?: ReadOptions): Promise<Account> };
    readonly invoices: Invoices;
    readonly payments: Payments;
    readonly events: Events;
    readonly webhookEndpoints: WebhookEndpoints;
    readonly deliveries: Deliveries;
    readonly test: Test;
    readonly paymentPage: PaymentPage;
    /** What may be logged: never the key. */
    toJSON(): { mode: 'test' | 'live' | 'unknown'; baseUrl: string };
  }

  interface Invoices {
    /** Creates an invoice. With the same invoice_id and content as an open one it answers that one. */
    create(invoice: NewInvoice | { invoice: NewInvoice }, options?: ChangeOptions): Promise<Invoice>;
    get(id: string, options?: ReadOptions): Promise<Invoice>;
    /** Changes a pending invoice; fields that are sent back unchanged are ignored. */
    update(id: string, changes: InvoiceChange, options?: ChangeOptions): Promise<Invoice>;
    /** Voids a pending invoice, for ever. */
    void(id: string, options?: ChangeOptions): Promise<Invoice>;
    /** Newest first. */
    list(filters?: InvoiceFilters, options?: ReadOptions): List<Invoice>;
  }
  interface Payments {
    get(id: string, options?: ReadOptions): Promise<Payment>;
    /** Newest first. */
    list(filters?: PaymentFilters, options?: ReadOptions): List<Payment>;
    /** All rows of the same list as one CSV text, with byte order mark and one line of titles. */
    csv(filters?: PaymentFilters, options?: ReadOptions): Promise<string>;
  }
  interface Events {
    get(id: string, options?: ReadOptions): Promise<Event>;
    /** Newest first; with `after`, oldest first from there. */
    list(filters?: EventFilters, options?: ReadOptions): List<Event>;
    /** Delivers an event to every endpoint once more. */
    resend(id: string, options?: WriteOptions): Promise<Event>;
  }
  interface WebhookEndpoints {
    /** The answer shows the secret, once. If it got lost, the repeat is ConflictError `secret_already_shown`: roll it. */
    create(endpoint: NewWebhookEndpoint, options?: WriteOptions): Promise<WebhookEndpoint & { secret: string }>;
    get(id: string, options?: ReadOptions): Promise<WebhookEndpoint>;
    list(filters?: { limit?: number; starting_after?: string }, options?: ReadOptions): List<WebhookEndpoint>;
    update(id: string, changes: WebhookEndpointChange, options?: WriteOptions): Promise<WebhookEndpoint>;
    delete(id: string, options?: WriteOptions): Promise<WebhookEndpoint>;
    /** A new secret; the old one signs as well for `overlap_seconds`, a day if nothing is said. */
    roll(id: string, roll?: { overlap_seconds?: number }, options?: WriteOptions): Promise<WebhookEndpoint & { secret: string }>;
    /** Sends a signed ping, once, and answers what the receiver said. */
    test(id: string, options?: ReadOptions): Promise<Delivery>;
    /** Delivers a range of events again; with `dry_run` it only counts them. */
    redeliver(id: string, range?: RedeliverRange, options?: WriteOptions): Promise<Redelivered>;
    /** The deliveries to an endpoint, newest first. */
    deliveries(id: string, filters?: { limit?: number; starting_after?: string }, options?: ReadOptions): List<Delivery>;
  }
  interface Deliveries {
    /** With every attempt. */
    get(id: string, options?: ReadOptions): Promise<Delivery>;
    redeliver(id: string, options?: WriteOptions): Promise<Delivery>;
  }
  /** You are the bank: with a test key only. */
  interface Test {
    /** Pays what is owed, now, or as `payment` says. */
    pay(id: string, payment?: SimulatedPayment, options?: WriteOptions): Promise<Simulated>;
    /** Takes the last payment back, or the one of `operation_number`. */
    reverse(id: string, reversal?: SimulatedReversal, options?: WriteOptions): Promise<Simulated>;
    /** Ends the time that an invoice can be paid in. */
    expire(id: string, options?: WriteOptions): Promise<Invoice>;
  }
  /** The page that a payer sees; it is opened by an invoice's `token`, no key is sent. */
  interface PaymentPage {
    status(token: string, options?: ReadOptions): Promise<PaymentPageStatus>;
    qrSvg(token: string, options?: ReadOptions): Promise<string>;
    qrPng(token: string, image?: { size?: number }, options?: ReadOptions): Promise<Uint8Array>;
  }

  type Currency = 'PEN' | 'USD';
  /** A `Date`, or text: `yyyy-MM-ddThh:mm:ss`, UTC without a zone. */
  type DateTime = Date | string;
  /** JSON of your own. */
  type Data = Record<string, unknown>;

  interface Customer {
    name?: string;
    email?: string;
    phone?: string;
    document_type?: string;
    document_id?: string;
    external_id?: string;
  }

  type InvoiceStatus = 'pending' | 'paid' | 'expired' | 'voided';
  interface Invoice {
    id: string;
    object: 'invoice';
    livemode: boolean;
    created: Date;
    status: InvoiceStatus;
    version: number;
    invoice_id: string;
    currency: Currency;
    amount: string;
    sub_total: string;
    late_fee: string;
    fees: string;
    request_datetime?: Date;
    due_datetime?: Date;
    expiration_datetime: Date;
    customer?: Customer;
    sub_merchant?: Data;
    url_success?: string;
    url_error?: string;
    metadata?: Data;
    size_qr: number;
    ktin: string;
    token: string;
    qr_code: string;
    url_qr: string;
    url_payment: string;
    paid_at?: Date;
    payment?: string;
  }

  /** `invoice_id`, `currency` and `amount`, or their other names `external_id` and `total`. */
  type NewInvoice =
    & ({ invoice_id: string } | { external_id: string })
    & ({ currency: Currency | Lowercase<Currency>; amount: string } | { total: { currency: Currency | Lowercase<Currency>; value: string } })
    & {
      request_datetime?: DateTime | null;
      due_datetime?: DateTime | null;
      expiration_datetime?: DateTime | null;
      customer?: Customer | null;
      payer?: Customer | null;
      payer_phone?: string | null;
      sub_merchant?: Data | null;
      url_success?: string | null;
      url_error?: string | null;
      metadata?: Data | null;
      size_qr?: number | string | null;
    };
  interface InvoiceChange extends Omit<Partial<Invoice>, 'currency' | 'amount' | 'due_datetime' | 'expiration_datetime'> {
    currency?: Currency | Lowercase<Currency>;
    amount?: string;
    due_datetime?: DateTime | null;
    expiration_datetime?: DateTime;
  }

  interface Walk {
    /** Of a page: 1 to 500, 20 if nothing is said. */
    limit?: number;
    starting_after?: string;
    ending_before?: string;
    /** A day of Lima, `yyyy-MM-dd`. */
    date?: string;
  }
  interface Range {
    gte?: DateTime;
    gt?: DateTime;
    lte?: DateTime;
    lt?: DateTime;
  }
  interface InvoiceFilters extends Walk {
    status?: InvoiceStatus | InvoiceStatus[];
    invoice_id?: string;
    ktin?: string;
    currency?: Currency | Lowercase<Currency>;
    'customer.document_id'?: string;
    created?: Range;
    paid?: Range;
  }

  type PaymentStatus = 'applied' | 'unapplied' | 'reversed' | 'returned';
  interface Payment {
    id: string;
    object: 'payment';
    livemode: boolean;
    invoice: string;
    invoice_id: string;
    ktin: string;
    amount: string;
    currency: Currency;
    channel: string;
    operation_number: string;
    paid_at: Date;
    received_at: Date;
    status: PaymentStatus;
    reason?: string;
  }
  interface PaymentFilters extends Walk {
    received?: Range;
    channel?: string;
    status?: PaymentStatus | PaymentStatus[];
    operation_number?: string;
    invoice?: string;
  }

  type EventType =
    | 'invoice.created' | 'invoice.updated' | 'invoice.paid' | 'invoice.expired' | 'invoice.voided'
    | 'invoice.payment_reversed' | 'payment.unapplied' | 'payment.applied' | 'payment.reversed' | 'payment.returned'
    | 'webhook_endpoint.disabled';
  type EventStatus = 'new' | 'notified' | 'failed';
  interface EventOf<Type extends EventType, Objects> {
    id: string;
    object: 'event';
    livemode: boolean;
    created: Date;
    type: Type;
    sequence: number;
    status: EventStatus;
    data: { url: string } & Objects;
  }
  /** `type` decides what is in `data`. */
  type Event =
    | EventOf<'invoice.created' | 'invoice.updated' | 'invoice.expired' | 'invoice.voided', { invoice: Invoice }>
    | EventOf<'invoice.paid' | 'invoice.payment_reversed', { invoice: Invoice; payment: Payment }>
    | EventOf<'payment.unapplied' | 'payment.applied' | 'payment.reversed' | 'payment.returned', { invoice?: Invoice; payment: Payment }>
    | EventOf<'webhook_endpoint.disabled', { endpoint: WebhookEndpoint }>;
  /** What `webhookEndpoints.test` sends. */
  interface Ping {
    id: string;
    object: 'event';
    livemode: boolean;
    created: Date;
    type: 'ping';
  }
  interface EventFilters extends Walk {
    status?: EventStatus | EventStatus[];
    type?: EventType | EventType[];
    invoice?: string;
    /** A `sequence`: those that follow it, oldest first. */
    after?: number;
    /** With `after`: how many seconds, 0 to 30, a page that would be empty waits for an event. */
    wait?: number;
  }

  interface WebhookEndpoint {
    id: string;
    object: 'webhook_endpoint';
    livemode: boolean;
    url: string;
    events: (EventType | '*')[];
    description?: string;
    enabled: boolean;
    disabled_reason?: 'gone' | 'failing';
    created: Date;
    previous_secret_until?: Date;
    /** Only in the answer that makes it. */
    secret?: string;
  }
  interface NewWebhookEndpoint {
    url: string;
    events?: (EventType | '*')[] | null;
    description?: string | null;
  }
  interface WebhookEndpointChange {
    url?: string;
    events?: (EventType | '*')[];
    description?: string | null;
    enabled?: boolean;
  }
  interface RedeliverRange {
    /** Those of events beyond this `sequence`, 0 if nothing is said … */
    after?: number;
    /** … up to this one. */
    until?: number;
    status?: 'failed' | 'delivered';
    dry_run?: boolean;
  }
  interface Redelivered {
    object: 'redelivery';
    count: number;
    dry_run: boolean;
  }
  interface Delivery {
    id: string;
    object: 'delivery';
    livemode: boolean;
    endpoint: string;
    /** Absent in a test. */
    event?: string;
    created: Date;
    status: 'pending' | 'delivered' | 'failed' | 'cancelled';
    attempt_count: number;
    next_attempt?: Date;
    /** Absent in lists. */
    attempts?: Attempt[];
  }
  interface Attempt {
    number: number;
    time: Date;
    duration_ms: number;
    status?: number;
    error?: string;
    answer?: string;
  }

  interface SimulatedPayment {
    amount?: string | null;
    paid_at?: DateTime | null;
    channel?: string | null;
    operation_number?: string | null;
    /** The bank already has the money: it is kept, not refused. */
    cash_taken?: boolean | null;
  }
  interface SimulatedReversal {
    operation_number?: string | null;
    kind?: 'automatic' | 'manual' | null;
  }
  interface Simulated extends Invoice {
    result: CollectionResult;
    /** What the bank would have been answered. */
    answer: { result: CollectionResult; payment?: string; operation_number?: string; receipt?: string };
  }
  interface CollectionResult {
    /** `ok`, or why the money was not taken. */
    code:
      | 'ok' | 'unknown_code' | 'expired' | 'already_paid' | 'voided' | 'amount_mismatch' | 'not_found_payment'
      | 'already_reversed' | 'reversal_recorded' | 'bad_request' | 'channel_closed';
    message: string;
  }

  interface Account {
    object: 'account';
    id: string;
    name: string;
    livemode: boolean;
    version: '1.0.0' | '1.0.1';
    key: { id: string; name: string; scopes: string[]; last_used_at?: Date };
    links: Record<'invoices' | 'payments' | 'events' | 'webhook_endpoints' | 'docs' | 'openapi', string>;
  }
  interface PaymentPageStatus {
    object: 'payment_page';
    livemode: boolean;
    status: InvoiceStatus;
    currency: Currency;
    amount: string;
    expiration_datetime: Date;
    paid_at?: Date;
  }

  namespace webhooks {
    /**
     * The event of a webhook, once it is sure that we sent it, and recently.
     * @param payload the raw body, from before it was parsed
     * @param headers of the request, names in any case
     * @param secret `whsec_…`; several while a secret is rolled
     * @throws {WebhookVerificationError} answer 400 and do nothing
     */
    function verify(
      payload: string | Uint8Array,
      headers: Record<string, string | string[] | undefined> | { get(name: string): string | null },
      secret: string | string[],
      options?: {
        /** How many seconds its time may differ: 300 if nothing is said. */
        tolerance?: number;
        /** The time to compare with: a Date or milliseconds. */
        now?: Date | number;
      },
    ): Event | Ping;
  }

  /** The class of all errors of this package. */
  class KashIOError extends Error {
    readonly code: string;
  }
  /** The call itself is wrong: nothing was sent. */
  class ArgumentError extends KashIOError {
    readonly code: 'invalid_argument';
    readonly param: string;
  }
  /** No whole answer came. Whether the request was carried out is unknown. */
  class ConnectionError extends KashIOError {
    /** What was sent: give it again and the repeat is safe. */
    readonly idempotencyKey?: string;
  }
  /** No answer came in time. */
  class TimeoutError extends ConnectionError {}
  /** A webhook that is not to be trusted. */
  class WebhookVerificationError extends KashIOError {
    readonly code: 'missing_header' | 'timestamp_out_of_tolerance' | 'no_matching_signature';
  }
  /** The API refused. */
  class APIError extends KashIOError {
    readonly status: number;
    /** Of the first fault. */
    readonly code: string;
    /** The fields in fault. */
    readonly params: string[];
    /** All faults, as answered. */
    readonly errors: Fault[];
    /** Cite it when you write to support. */
    readonly requestId?: string;
    /** Seconds, when the answer named them. */
    readonly retryAfter?: number;
    readonly idempotencyKey?: string;
  }
  interface Fault {
    code: string;
    param?: string;
    message: string;
    /** With `invoice_id_conflict` and `secret_already_shown`. */
    existing_id?: string;
    /** With `cursor_expired`. */
    oldest_sequence?: number;
  }
  /** 400 and what is like it: something in the request has to change. */
  class InvalidRequestError extends APIError {}
  /** 401: the key is missing, wrong, revoked or expired. */
  class AuthenticationError extends APIError {}
  /** 403: no HTTPS, a scope that the key lacks, an address that it may not be used from. */
  class PermissionError extends APIError {}
  /** 404: unknown, or of another account or the other mode. */
  class NotFoundError extends APIError {}
  /** 409: the state of the object does not allow it. */
  class ConflictError extends APIError {}
  /** 412: the invoice is no longer the one that `ifMatch` names. */
  class VersionMismatchError extends APIError {}
  /** 422: the idempotency key belongs to another request. */
  class IdempotencyError extends APIError {}
  /** 429: too many requests. */
  class RateLimitError extends APIError {}
  /** 5xx: the fault is not yours. */
  class ServerError extends APIError {}
}

export = KashIO;
