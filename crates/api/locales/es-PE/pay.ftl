# The payment page in Spanish, as Peru writes it. The same names are in ../en/pay.ftl.

## The frame of every page

skip = Ir al contenido
language = Idioma
test-mode = MODO DE PRUEBA
test-mode-note = Nadie cobra ni paga dinero con esta orden.
help = ¿Necesita ayuda? Escriba a
help-note = KashIO nunca le pedirá claves ni datos de tarjetas.

## What is owed

title-pending = Pagar { $amount }
title-paid = Pagado { $amount }
title-expired = Orden vencida
title-voided = Orden anulada
pay-to = Pago a
paid-to = Pagado a
asked-by = Orden de
on-behalf = por cuenta de
amount-due = Monto por pagar
amount-paid = Monto pagado
amount-was = Monto de la orden
badge-pending = Pendiente de pago
badge-paid = Pagada
badge-expired = Vencida
badge-voided = Anulada
pay-until = Pague hasta el
details = Detalle
reference = Referencia
payer = A nombre de
document = Documento
document-spoken = { $kind } que termina en { $end }
due = Vence el
was-due = Venció el
sub-total = Monto de la orden
late-fee = Mora por pagar después del vencimiento
fees = Comisión
total = Total por pagar
total-paid = Total pagado

## How to pay it

code = Código de pago
code-hint = Es el número de esta orden en bancos y agentes. Los espacios no cuentan.
copy = Copiar código
copied = Código copiado
where = Dónde pagar
where-hint = Elija el lugar que prefiera. El monto aparece solo: no hay que escribirlo.
agreement = Convenio
step-choose = Elija pagar un servicio o institución, en la app, la web, un agente o la ventanilla.
step-find = Busque el convenio { $agreement }.
step-code = Indique el código de pago { $code }.
step-confirm = Confirme que el nombre y el monto sean los de esta página, y pague.
no-channels = El comercio todavía no ofrece bancos ni agentes para esta orden. Pregúntele cómo pagar.
qr = Seguir en un celular
qr-hint = Escanee este código con la cámara para abrir esta página.
qr-name = Código QR con la dirección de esta página
after = Después de pagar, vuelva a cargar esta página para ver su constancia.
live = Esta página se actualiza sola en cuanto se registre el pago.
changed = El estado de la orden cambió. Se muestra el nuevo.
simulate = Simular pago
simulate-title = Pruebe el pago
simulate-note = Los bancos no conocen esta orden. Con este botón queda pagada como si uno la hubiera cobrado, y su sistema recibe los mismos avisos.
back = Volver a la tienda

## Once it is paid

thanks = Pago recibido
receipt = Constancia de pago
paid-at = Fecha
channel = Pagado en
channel-test = Simulación de prueba
operation = Número de operación
code-paid = Código de pago
keep = Guarde esta constancia. El comercio ya puede ver su pago.
keep-test = Esta constancia es de prueba: no hubo ningún pago real.
print = Imprimir
continue = Continuar en la tienda

## When it can not be paid

expired-title = Esta orden venció
expired-text = El plazo terminó el { $when }. Ya no se puede pagar.
voided-title = Esta orden fue anulada
voided-text = El comercio la anuló. Ya no se puede pagar.
ended-next = Qué puede hacer
ended-ask = Pida al comercio una orden nueva: tendrá otro código de pago.
ended-do-not = No pague con el código anterior, aunque lo tenga anotado.
ended-paid = Si pagó antes de que venciera, espere unos minutos: esta página mostrará su constancia.
ended-paid-voided = Si ya pagó, escriba al comercio con la fecha, el lugar y el número de operación.

## When there is nothing to show

missing-title = No encontramos esta página de pago
missing-text = La dirección está incompleta o no es correcta. Ábrala otra vez desde el mensaje que recibió, o pida al comercio que se la vuelva a enviar.
failed-title = No podemos mostrar la página en este momento
failed-text = Su orden sigue igual: nada se perdió ni se cobró. Vuelva a intentarlo en un momento.
request-id = Si escribe a soporte, cite

## Moments

moment = { $weekday } { $day } de { $month } de { $year }, { $hour }:{ $minute } { $half } (hora de Lima)
before-noon = a. m.
after-noon = p. m.
weekday-0 = domingo
weekday-1 = lunes
weekday-2 = martes
weekday-3 = miércoles
weekday-4 = jueves
weekday-5 = viernes
weekday-6 = sábado
month-1 = enero
month-2 = febrero
month-3 = marzo
month-4 = abril
month-5 = mayo
month-6 = junio
month-7 = julio
month-8 = agosto
month-9 = septiembre
month-10 = octubre
month-11 = noviembre
month-12 = diciembre
