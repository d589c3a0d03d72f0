# The payment page in English. The same names are in ../es-PE/pay.ftl.

## The frame of every page

skip = Skip to content
language = Language
test-mode = TEST MODE
test-mode-note = No money moves with this order.
help = Need help? Write to
help-note = KashIO will never ask for passwords or card details.

## What is owed

title-pending = Pay { $amount }
title-paid = Paid { $amount }
title-expired = Order expired
title-voided = Order cancelled
pay-to = Payment to
paid-to = Paid to
asked-by = Order from
on-behalf = on behalf of
amount-due = Amount due
amount-paid = Amount paid
amount-was = Amount of the order
badge-pending = Waiting for payment
badge-paid = Paid
badge-expired = Expired
badge-voided = Cancelled
pay-until = Pay by
details = Details
reference = Reference
payer = In the name of
document = Document
document-spoken = { $kind } ending in { $end }
due = Due on
was-due = Was due on
sub-total = Amount of the order
late-fee = Late fee, for paying after the due date
fees = Fee
total = Total due
total-paid = Total paid

## How to pay it

code = Payment code
code-hint = The number of this order at banks and agents. Spaces do not matter.
copy = Copy code
copied = Code copied
where = Where to pay
where-hint = Choose whichever place you like. The amount comes up by itself: no need to type it.
agreement = Agreement
step-choose = Choose to pay a service or institution, in the app, on the web, at an agent or at the counter.
step-find = Look for agreement { $agreement }.
step-code = Give the payment code { $code }.
step-confirm = Check that name and amount are those on this page, and pay.
no-channels = The merchant does not offer any bank or agent for this order yet. Ask how to pay.
qr = Continue on a phone
qr-hint = Scan this code with the camera to open this page.
qr-name = QR code with the address of this page
after = After paying, reload this page to see your receipt.
live = This page updates itself as soon as the payment is recorded.
changed = The order has changed. Showing the new state.
simulate = Simulate payment
simulate-title = Try the payment
simulate-note = Banks do not know this order. With this button it is paid as if one of them had collected it, and your system is told the same way.
back = Back to the shop

## Once it is paid

thanks = Payment received
receipt = Payment receipt
paid-at = Date
channel = Paid at
channel-test = Test simulation
operation = Operation number
code-paid = Payment code
keep = Keep this receipt. The merchant can already see your payment.
keep-test = This is a test receipt: no real payment was made.
print = Print
continue = Continue to the shop

## When it can not be paid

expired-title = This order has expired
expired-text = Its time ran out on { $when }. It can no longer be paid.
voided-title = This order was cancelled
voided-text = The merchant withdrew it. It can no longer be paid.
ended-next = What you can do
ended-ask = Ask the merchant for a new order: it will have another payment code.
ended-do-not = Do not pay with the old code, even if you noted it down.
ended-paid = If you paid before it expired, wait a few minutes: this page will show your receipt.
ended-paid-voided = If you have already paid, write to the merchant with the date, the place and the operation number.

## When there is nothing to show

missing-title = We can not find this payment page
missing-text = The address is incomplete or not correct. Open it again from the message you were sent, or ask the merchant to send it once more.
failed-title = We can not show the page right now
failed-text = Your order is as it was: nothing was lost or charged. Try again in a moment.
request-id = If you write to support, mention

## Moments

moment = { $weekday }, { $month } { $day }, { $year }, { $hour }:{ $minute } { $half } (Lima time)
before-noon = a.m.
after-noon = p.m.
weekday-0 = Sunday
weekday-1 = Monday
weekday-2 = Tuesday
weekday-3 = Wednesday
weekday-4 = Thursday
weekday-5 = Friday
weekday-6 = Saturday
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
