"""What a request that matches the API document may be refused for."""

import itertools
import uuid

import schemathesis

# 400 by a rule that no JSON Schema can say.
BEYOND_SCHEMA = {
    "conflicting_fields",  # two names of a field with different values
    "due_after_expiration",
    "expiration_in_past",
    "expiration_too_far",
    "field_not_updatable",
    "invalid_amount",  # a number is judged by its text: 0.1e1 has no two decimals
    "invalid_character",  # controls and overrides of direction
    "invalid_cursor",  # an own order, not just an id
    "invalid_date",  # the 30th of February
    "invalid_datetime",
    "invalid_document",  # valid for its type, check digit included
    "invalid_email",  # stricter than the format
    "invalid_ktin",  # its check digit
    "invalid_size_qr",  # a number is judged by its text: 150.0 is not written as a whole number
    "invalid_url",  # stricter than the format
    "out_of_range",  # a number is judged by its text: 6.0 is not written as a whole number
    "request_datetime_in_future",
    "required",  # whoever waits for events says after which
    "too_deep",  # limits of metadata and sub_merchant as a whole
    "too_long",
    "too_many_keys",
}
# The state of things, and the key itself: not a matter of the data.
BY_STATE = {401, 404, 409, 412, 422}


@schemathesis.check
def valid_data_is_refused_for_a_documented_reason(ctx, response, case):
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    if response.status_code < 400 or response.status_code in BY_STATE:
        return
    codes = {item["code"] for item in response.json()["error"]}
    assert response.status_code == 400 and codes <= BEYOND_SCHEMA, (
        f"data that matches the document was refused with {response.status_code} {sorted(codes)}"
    )


# Random cursors, ids and dates are nearly always refused. So that answers of success are seen as often as refusals, every
# second valid request is made plausible with what the run itself created.
own_ids = []
own_tokens = []
turns = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive or next(turns) % 2:
        return
    own = own_ids[-1] if own_ids else None
    for name in ("starting_after", "start", "ending_before", "end"):
        if case.query and name in case.query:
            case.query.pop(name)
            if own:
                case.query["starting_after"] = own
    if case.query:
        case.query.pop("ktin", None)
    if own and case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = own
    for parameters in (case.path_parameters, case.query):
        if own_tokens and parameters and "token" in parameters:
            parameters["token"] = own_tokens[-1]
    for name in ("If-Match", "Idempotency-Key"):
        if case.headers and name in case.headers:
            case.headers[name] = "*" if name == "If-Match" else str(uuid.uuid4())
    if isinstance(case.body, dict):
        order = case.body.get("invoice", case.body)
        if not isinstance(order, dict):
            return
        for name in ("due_datetime", "expiration_datetime"):
            order.pop(name, None)
        if "id" in order and own:
            order["id"] = own
        for name in ("invoice_id", "external_id"):
            if name in order:
                order[name] = str(uuid.uuid4())
        for customer in (order.get("customer"), order.get("payer")):
            if isinstance(customer, dict):
                for name in ("document_type", "document_id", "phone", "email"):
                    customer.pop(name, None)
        for name in ("url_success", "url_error"):
            if name in order:
                order[name] = "https://tienda.pe/gracias"
        if "request_datetime" in order:
            order["request_datetime"] = "2020-01-01T05:00:00"


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 201:
        own_ids.append(response.json()["id"])
        if "token" in response.json():
            own_tokens.append(response.json()["token"])
