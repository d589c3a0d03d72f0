// The developers' guide and the reference in a browser, on a phone and on a desktop, light and dark: what axe finds, what the search finds,
// what tabs and buttons do, with JavaScript and without. node guide.mjs DEV_JSON SCREENSHOTS

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import axe from 'axe-core';
import { launch } from './browser.mjs';

const [devJson, screenshots] = process.argv.slice(2);
const origin = JSON.parse(readFileSync(devJson, 'utf8')).public_url;
const VIEWPORTS = {
  390: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  1440: { viewport: { width: 1440, height: 900 } },
};
const FRONT = { es: '/docs/guide/', en: '/docs/guide/en/' };
const PAGES = 11;
// In the dark nothing but colours differs: the pages that have all of them.
const SCHEMES = { light: () => true, dark: (path) => /(guide|en)\/$|errores|errors|webhooks/.test(path) };

const browser = await launch();
let checks = 0;
const findings = {};
const check = (holds, what) => { assert.ok(holds, what); checks += 1; };

// A window that remembers what went wrong in it and whom it asked.
async function open(path, { width = 1440, ...more } = {}) {
  const context = await browser.newContext({ ...VIEWPORTS[width], ...more });
  const page = await context.newPage();
  const asked = [], wrong = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  const answer = await page.goto(`${origin}${path}`);
  return { context, page, asked, wrong, answer };
}

const menu = (page) => page.locator('.tree > ul > li > a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));

async function findsNothingGrave(page, at) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { preload: false }));
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(grave.length === 0, `${at}: ${JSON.stringify(grave.map(({ id, nodes }) => [id, nodes.slice(0, 3).map((n) => n.html)]))}`);
  for (const { id, impact } of violations) findings[`${id} (${impact})`] = at;
}

async function everyPageIsSound() {
  await Promise.all(Object.entries(FRONT).map(async ([language, front]) => {
    for (const width of Object.keys(VIEWPORTS)) {
      for (const [colorScheme, isLooked] of Object.entries(SCHEMES)) {
        const { context, page, asked, wrong } = await open(front, { width, colorScheme });
        const paths = await menu(page);
        check(paths.length === PAGES, `${language}: ${paths.length} pages`);
        for (const path of paths.filter(isLooked)) {
          const at = `${path} ${width} ${colorScheme}`;
          const answer = await page.goto(`${origin}${path}`);
          check(answer.status() === 200, `${at}: ${answer.status()}`);
          check((await page.locator('html').getAttribute('lang')).startsWith(language), `${at}: its language`);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          check(overflow <= 0, `${at}: ${overflow} pixels too wide`);
          await findsNothingGrave(page, at);
          const name = path.split('/').pop() || 'front';
          await page.screenshot({ path: `${screenshots}/guide-${name}-${width}-${language}-${colorScheme}.png` });
        }
        const elsewhere = asked.filter((url) => !url.startsWith('data:') && new URL(url).origin !== origin);
        check(elsewhere.length === 0, `${language} ${width}: asked ${elsewhere}`);
        check(wrong.length === 0, `${language} ${width}: ${wrong}`);
        check((await context.cookies()).length === 0, 'a cookie');
        await context.close();
      }
    }
  }));
}

async function theReferenceIsSoundInBothLanguages() {
  for (const width of Object.keys(VIEWPORTS)) {
    const { context, page, asked, wrong } = await open('/docs', { width });
    for (const [language, other] of [['es', 'English'], ['en', 'Español']]) {
      const at = `/docs in ${language} ${width}`;
      check((await page.locator('html').getAttribute('lang')) === language, `${at}: its language`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      check(overflow <= 0, `${at}: ${overflow} pixels too wide`);
      await findsNothingGrave(page, at);
      await page.screenshot({ path: `${screenshots}/docs-${width}-${language}.png` });
      await page.getByRole('link', { name: other }).click();
    }
    check(asked.every((url) => url.startsWith('data:') || new URL(url).origin === origin), `/docs asked ${asked}`);
    check(wrong.length === 0, `/docs ${width}: ${wrong}`);
    await context.close();
  }
}

async function theSearchFindsWhatPeopleTypeAndOpensIt() {
  for (const [front, key, words] of [
    [FRONT.es, '/', ['ktin', 'expiración', 'expiracion', 'EXPIRACIÓN', 'webhook-signature', 'invoice_id_conflict', 'orden pagar']],
    [FRONT.en, 's', ['ktin', 'expiration', 'expiración', 'webhook-signature', 'invoice_id_conflict']],
  ]) {
    const { context, page, wrong } = await open(front);
    for (const word of words) {
      await page.locator('body').press(key);
      check(await page.locator('#q').evaluate((input) => input === document.activeElement), `${key} leads to the search`);
      await page.keyboard.type(word);
      const isOther = front === FRONT.en && word === 'expiración';
      if (isOther) {
        await page.locator('.found .none').waitFor();
      } else {
        await page.locator('.found a').first().waitFor();
        check(await page.locator('.found mark').count() > 0, `${word}: marked`);
        check(/^\d+ /.test(await page.locator('#q-count').textContent()), `${word}: the count is told`);
      }
      await page.locator('#q').fill('');
      await page.keyboard.press('Escape');
    }
    await page.locator('body').press('/');
    await page.keyboard.type('webhook-signature');
    await page.locator('.found a').first().waitFor();
    await findsNothingGrave(page, `search in ${front}`);
    await page.screenshot({ path: `${screenshots}/guide-search-1440-${front === FRONT.en ? 'en' : 'es'}.png` });
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/webhooks#/);
    check(await page.getByText('webhook-signature').count() > 0, 'and what was found is there');
    check(wrong.length === 0, `${wrong}`);
    await context.close();
  }
}

async function aChosenLanguageGoesAlong() {
  const { context, page, wrong } = await open('/docs/guide/ordenes-de-pago');
  const shown = (language) => page.locator(`.sample[data-language=${language}]:visible`).count();
  check(await shown('shell') > 3 && await shown('javascript') === 0, 'Shell comes first');
  await page.getByRole('tab', { name: 'JavaScript' }).first().click();
  check(await shown('javascript') > 3 && await shown('shell') === 0, 'all samples follow');
  await page.goto(`${origin}/docs/guide/webhooks`);
  check(await shown('javascript') > 3 && await shown('shell') === 0, 'and those of the next page');
  const verification = page.locator('.samples:has([data-language=python])');
  await verification.getByRole('tab', { name: 'JavaScript' }).focus();
  await page.keyboard.press('ArrowRight');
  check(await shown('python') === 1, 'arrows choose');
  check(await shown('shell') > 3, 'where there is no Python the first is shown');
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  await verification.getByRole('button', { name: 'Copiar' }).click();
  await verification.getByRole('button', { name: 'Copiado' }).waitFor();
  check((await page.evaluate(() => navigator.clipboard.readText())).startsWith('import base64'), 'the sample is copied');
  check(wrong.length === 0, `${wrong}`);
  await context.close();
}

async function lightAndDarkAreRemembered() {
  const { context, page } = await open(FRONT.es, { colorScheme: 'light' });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.getByRole('button', { name: 'Claro u oscuro' }).click();
  const dark = await paper();
  check(light !== dark, 'the button changes it');
  await page.goto(`${origin}/docs/guide/pagos`);
  check(await paper() === dark, 'and the next page knows');
  await context.close();
}

async function nothingNeedsJavaScript() {
  const { context, page } = await open('/docs/guide/webhooks', { width: 390, javaScriptEnabled: false });
  const samples = page.locator('.sample');
  check(await samples.count() > 15, 'samples');
  for (const sample of await samples.all()) check(await sample.isVisible(), 'every sample is shown');
  check(await page.locator('form.search, .theme').evaluateAll((all) => all.every((one) => !one.checkVisibility())), 'what could do nothing is not');
  await page.getByText('Contenido', { exact: true }).click();
  await page.locator('.menu').getByRole('link', { name: 'Versiones' }).click();
  check(page.url().endsWith('/docs/guide/versiones'), 'the menu leads on');
  await page.getByRole('link', { name: 'English' }).click();
  check(page.url().endsWith('/docs/guide/en/versions'), 'and to the translation');
  await context.close();
}

async function whatIsNotThereIsAPageToo() {
  for (const [path, language] of [['/docs/guide/no-hay', 'es'], ['/docs/guide/en/none/at-all', 'en']]) {
    const { context, page, answer } = await open(path, { width: 390 });
    check(answer.status() === 404, `${path}: ${answer.status()}`);
    check((await page.locator('html').getAttribute('lang')).startsWith(language), `${path}: its language`);
    await findsNothingGrave(page, path);
    await context.close();
  }
}

mkdirSync(screenshots, { recursive: true });
const stories = [
  everyPageIsSound, theReferenceIsSoundInBothLanguages, theSearchFindsWhatPeopleTypeAndOpensIt, aChosenLanguageGoesAlong,
  lightAndDarkAreRemembered, nothingNeedsJavaScript, whatIsNotThereIsAPageToo,
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
console.log(`minor   ${Object.entries(findings).map(([id, at]) => `${id}: ${at}`).join(', ') || 'axe finds nothing at all'}`);
console.log(`${checks} checks, ${failed} stories failed`);
process.exit(failed === 0 ? 0 : 1);
