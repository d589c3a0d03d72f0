// The payment page in a browser, on phones and on a desktop: what axe finds, what the QR code says, what the buttons
// do, with JavaScript and without. node pages.mjs DEV_JSON SCREENSHOTS

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import axe from 'axe-core';
import jsQR from 'jsqr';
import pngjs from 'pngjs';
import { launch } from './browser.mjs';
import { World } from './world.mjs';

const [devJson, screenshots] = process.argv.slice(2);
const world = new World(devJson);
const origin = world.dev.public_url;
const MAX_BYTES = 60 * 1_024;
const VIEWPORTS = {
  small: { width: 360, height: 740, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  phone: { width: 412, height: 915, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  desktop: { width: 1280, height: 900 },
};

const browser = await launch();

let checks = 0;
const weights = {}, findings = {};
const check = (holds, what) => { assert.ok(holds, what); checks += 1; };

// A window that remembers what went wrong in it and whom it asked.
async function open(url, { viewport = 'desktop', language = 'es', ...more } = {}) {
  const { width, height, ...device } = VIEWPORTS[viewport];
  const context = await browser.newContext({
    viewport: { width, height }, ...device, locale: language === 'en' ? 'en-US' : 'es-PE', ...more,
  });
  const page = await context.newPage();
  const asked = [], wrong = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  const answer = await page.goto(url);
  return { context, page, asked, wrong, answer };
}

async function qrSays(image) {
  const { data, width, height } = pngjs.PNG.sync.read(image);
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

// What must hold of every page in every window.
async function isSound(name, url, viewport, language, status = 200) {
  const { context, page, asked, wrong, answer } = await open(url, { viewport, language });
  const at = `${name} ${viewport} ${language}`;
  check(answer.status() === status, `${at}: ${answer.status()}`);
  const bytes = (await answer.body()).length;
  weights[name] = Math.max(weights[name] ?? 0, bytes);
  check(bytes < MAX_BYTES, `${at}: ${bytes} bytes`);
  const language_ = await page.locator('html').getAttribute('lang');
  check(language_.startsWith(language), `${at}: lang=${language_}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  check(overflow <= 0, `${at}: ${overflow} pixels too wide`);
  const low = await page.evaluate(() =>
    [...document.querySelectorAll('button, summary, nav a, .actions a')]
      .filter((element) => element.checkVisibility())
      .map((element) => [element.textContent.trim(), element.getBoundingClientRect()])
      .filter(([, box]) => box.height < 44 || box.width < 44)
      .map(([text]) => text));
  check(low.length === 0, `${at}: too small to touch: ${low}`);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { preload: false }));
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(grave.length === 0, `${at}: ${JSON.stringify(grave.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]))}`);
  for (const { id, impact } of violations) findings[`${id} (${impact})`] = at;
  await page.screenshot({ path: `${screenshots}/${name}-${viewport}-${language}.png`, fullPage: true });
  const elsewhere = asked.filter((url) => !url.startsWith('data:') && new URL(url).origin !== origin);
  check(elsewhere.length === 0, `${at}: asked ${elsewhere}`);
  const loads = asked.filter((url) => !url.startsWith('data:') && !url.endsWith('/status'));
  check(loads.length === 1, `${at}: loads ${loads}`);
  const unexpected = wrong.filter((text) => !(status === 404 && text.includes('404')));
  check(unexpected.length === 0, `${at}: ${unexpected}`);
  check((await context.cookies()).length === 0, `${at}: a cookie`);
  await context.close();
}

async function everyStateIsSound() {
  const [late, trial, paid, expired, voided] = await Promise.all([
    world.late(), world.order('test'), world.paid(), world.expired(), world.voided(),
  ]);
  const dollars = await world.order('live', { currency: 'USD', amount: '20.00', url_error: null });
  const long = await world.order('live', {
    amount: '999999999.99', invoice_id: 'X'.repeat(100), sub_merchant: { name: 'Asociación Educativa '.repeat(9) },
  });
  const pages = {
    pending: late.url_payment, dollars: dollars.url_payment, test: trial.url_payment, paid: paid.url_payment,
    expired: expired.url_payment, voided: voided.url_payment, long: long.url_payment,
  };
  // The windows side by side: each waits most of its time.
  await Promise.all(Object.keys(VIEWPORTS).map(async (viewport) => {
    for (const language of ['es', 'en']) {
      for (const [name, url] of Object.entries(pages)) await isSound(name, url, viewport, language);
      await isSound('missing', `${origin}/pay/2222222222222222222222`, viewport, language, 404);
    }
  }));
}

async function theQrCodeLeadsToThePage() {
  const order = await world.order('live', { size_qr: 200 });
  const { context, page } = await open(order.url_payment, { viewport: 'phone' });
  const shown = await page.locator('svg.qr').screenshot();
  check(await qrSays(shown) === order.url_payment, 'the QR code on the page');
  for (const [url, pixels] of [[order.url_qr, 200], [`${order.url_qr}?size=100`, 100], [`${order.url_qr}?size=1000`, 1000]]) {
    const image = Buffer.from(await (await fetch(url)).arrayBuffer());
    check(pngjs.PNG.sync.read(image).width === pixels, `${url}: ${pixels} pixels`);
    check(await qrSays(image) === order.url_payment, `${url} decodes`);
  }
  await context.close();
}

async function theButtonCopiesTheDigits() {
  const order = await world.order('live');
  const { context, page, wrong } = await open(order.url_payment);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  await page.getByRole('button', { name: 'Copiar código' }).click();
  await page.getByRole('button', { name: 'Código copiado' }).waitFor();
  check(await page.evaluate(() => navigator.clipboard.readText()) === order.ktin, 'the digits are copied');
  check(await page.getByRole('status').textContent() === 'Código copiado', 'and it is announced');
  check(wrong.length === 0, `${wrong}`);
  await context.close();
}

async function theReceiptComesByItself() {
  const order = await world.order('live');
  const { context, page, wrong } = await open(order.url_payment, { viewport: 'phone' });
  check(await page.getByText('Esta página se actualiza sola').isVisible(), 'the page says that it looks');
  await world.pay(order);
  await page.getByRole('heading', { name: 'Constancia de pago' }).waitFor({ timeout: 30_000 });
  check(await page.getByText('Banco Demo').isVisible(), 'the receipt names the bank');
  check(await page.getByRole('link', { name: 'Continuar en la tienda' }).getAttribute('href') === 'https://tienda.example/gracias', 'url_success');
  check(wrong.length === 0, `${wrong}`);
  const pdf = (await page.pdf({ format: 'A4', preferCSSPageSize: true })).toString('latin1');
  check(pdf.match(/\/Type\s*\/Page\b(?!s)/g).length === 1, 'the receipt prints on one page');
  await context.close();
}

async function nothingNeedsJavaScript() {
  const order = await world.order('test');
  const { context, page } = await open(order.url_payment, { viewport: 'small', javaScriptEnabled: false });
  check((await page.locator('.ktin').innerText()).replace(/\D/g, '') === order.ktin, 'the code is there');
  check(await page.locator('svg.qr').isVisible(), 'the QR code is there');
  check(!await page.locator('button[data-copy]').isVisible(), 'a button that could do nothing is not');
  check(await page.getByText('vuelva a cargar esta página').isVisible(), 'and it says how to see the receipt');
  await page.getByRole('link', { name: 'English' }).click();
  await page.getByRole('button', { name: 'Simulate payment' }).click();
  await page.getByRole('heading', { name: 'Payment receipt' }).waitFor();
  check(new URL(page.url()).search === '?lang=en', 'the chosen language stays');
  await context.close();
}

async function theKeyboardReachesEverything() {
  const order = await world.late();
  const { context, page } = await open(order.url_payment);
  const met = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press('Tab');
    met.push(await page.evaluate(() => document.activeElement.textContent.trim().replace(/\s+/g, ' ')));
  }
  for (const wanted of ['Ir al contenido', 'Español', 'English', 'Copiar código', '← Volver a la tienda']) {
    check(met.includes(wanted), `Tab never comes to ${wanted}: ${met}`);
  }
  await context.close();
}

mkdirSync(screenshots, { recursive: true });
await world.furnish();
const stories = [
  everyStateIsSound, theQrCodeLeadsToThePage, theButtonCopiesTheDigits, theReceiptComesByItself,
  nothingNeedsJavaScript, theKeyboardReachesEverything,
];
let failed = 0;
for (const story of stories) {
  try {
    await story();
    console.log(`ok      ${story.name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${story.name}: ${error.message}`);
  }
}
await browser.close();
console.log(`bytes   ${Object.entries(weights).map(([name, bytes]) => `${name} ${bytes}`).join(', ')}`);
console.log(`minor   ${Object.entries(findings).map(([id, at]) => `${id}: ${at}`).join(', ') || 'axe finds nothing at all'}`);
console.log(`${checks} checks, ${failed} stories failed`);
process.exit(failed === 0 ? 0 : 1);
