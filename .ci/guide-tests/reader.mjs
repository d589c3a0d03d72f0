// Somebody who reads an edition of the guide from top to bottom and runs what it says, in an account of his own. What he
// asks the service passes through him, so that its answers can be held against the printed ones.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { compare, put } from './answers.mjs';

const PRINTED = { api: 'https://api.kashio.net', receiver: 'https://tienda.example', port: /\b3000\b/g };
const TIME_MS = 20_000;

export class Reader {
  /** `edition` is es or en, `language` the tab that he chooses. */
  constructor({ edition, language, dev, sdk, folder }) {
    Object.assign(this, { edition, language, dev, folder: `${folder}/${edition}-${language}` });
    this.known = new Map();
    this.answers = [];
    this.webhooks = [];
    mkdirSync(this.folder, { recursive: true });
    cpSync(sdk, `${this.folder}/sdk/javascript`, { recursive: true, filter: (path) => !path.includes('node_modules') });
  }

  async open() {
    const account = await this.#console('/accounts', { name: 'Tienda Demo' });
    this.key = (await this.#console(`/accounts/${account.id}/keys`, { mode: 'test', name: 'demo' })).secret;
    [this.server, this.receiver] = await Promise.all([listen(this.#pass), listen(this.#receive)]);
  }

  close() {
    for (const server of [this.server, this.receiver]) server.close().closeAllConnections();
  }

  /** Runs his tab of a group, and compares what is printed below it. */
  async run({ samples, answer }) {
    const sample = samples.find((one) => one.language === this.language) ?? samples[0];
    this.answers = [];
    if (sample.words.includes('verifies')) await this.#verifies(sample);
    else if (sample.words.includes('receives')) await this.#receives(sample);
    else await this.#runs(sample);
    if (answer?.words.includes('webhook')) await this.#told(answer);
    else if (answer) this.#answered(answer);
    else for (const { status } of this.answers) assert.ok(status < 400, `answered ${status}, and nothing says so`);
    return sample;
  }

  // What is printed, with this reader's addresses and objects.
  #own(text, api = this.server.url) {
    return put(this.known, text).replaceAll(PRINTED.api, api).replaceAll(PRINTED.receiver, this.receiver.url);
  }

  async #start(sample, env = {}) {
    const port = await freePort();
    const code = this.#own(sample.code).replace(PRINTED.port, port);
    const { file, command } = program(sample.language, code, this.server.url);
    writeFileSync(`${this.folder}/${file.name}`, file.text);
    const child = spawn(command[0], command.slice(1), {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH, HOME: this.folder, LANG: 'C.UTF-8', KASHIO_KEY: this.key,
        npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false', ...env,
      },
    });
    const started = { child, port, output: '' };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { started.output += data; });
    started.ended = new Promise((resolve) => { child.on('close', (status, signal) => resolve(status ?? signal)); });
    return started;
  }

  async #exit(sample, env) {
    const started = await this.#start(sample, env);
    const timer = setTimeout(() => started.child.kill(), TIME_MS);
    const status = await started.ended;
    clearTimeout(timer);
    return { status, output: started.output.slice(-2_000) };
  }

  async #runs(sample) {
    const { status, output } = await this.#exit(sample);
    assert.equal(status, 0, `ended with ${status}\n${output}`);
  }

  #answered(answer) {
    const [status] = answer.words;
    const came = this.answers.at(-1);
    assert.ok(came, 'nothing was asked');
    assert.equal(String(came.status), status, `answered ${came.status} ${came.text}`);
    this.#compare(answer, came.text);
  }

  async #told(answer) {
    const { type } = JSON.parse(answer.code);
    const webhook = await eventually(`a webhook ${type}`, () =>
      this.webhooks.findLast(({ body }) => JSON.parse(body).type === type));
    this.#compare(answer, webhook.body);
  }

  #compare(answer, came) {
    // Links are the service's own, whichever way it was asked.
    const printed = answer.code.replaceAll(PRINTED.api, this.dev.public_url).replaceAll(PRINTED.receiver, this.receiver.url);
    compare(JSON.parse(printed), JSON.parse(came), { known: this.known, isExcerpt: answer.words.includes('excerpt') });
  }

  // The newest real webhook, and forgeries of it.
  async #webhook() {
    const { headers, body } = await eventually('a webhook', () =>
      this.webhooks.findLast((one) => JSON.parse(one.body).type !== 'ping'));
    const given = Object.fromEntries(
      ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, headers[name]]));
    const changed = Buffer.from(body);
    changed[changed.length >> 1] ^= 1;
    const [sentAt, late] = [Number(given['webhook-timestamp']), Number(given['webhook-timestamp']) - 3_600];
    const sign = (time) => `v1,${createHmac('sha256', Buffer.from(this.secret.slice(6), 'base64'))
      .update(`${given['webhook-id']}.${time}.`).update(body).digest('base64')}`;
    assert.equal(given['webhook-signature'], sign(sentAt), 'the webhook is signed with the newest secret');
    const other = 'v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
    return {
      good: { 'as it came': [given, body], 'with two signatures': [{ ...given, 'webhook-signature': `${other} ${sign(sentAt)}` }, body] },
      bad: {
        'with a changed body': [given, changed],
        'with another signature': [{ ...given, 'webhook-signature': other }, body],
        'an hour old': [{ ...given, 'webhook-timestamp': String(late), 'webhook-signature': sign(late) }, body],
      },
    };
  }

  async #verifies(sample) {
    const { good, bad } = await this.#webhook();
    for (const [cases, isGood] of [[good, true], [bad, false]]) {
      for (const [name, [headers, body]] of Object.entries(cases)) {
        for (const file of ['cuerpo.json', 'body.json']) writeFileSync(`${this.folder}/${file}`, body);
        const { status, output } = await this.#exit(sample, {
          KASHIO_WEBHOOK_SECRET: this.secret, WEBHOOK_ID: headers['webhook-id'],
          WEBHOOK_TIMESTAMP: headers['webhook-timestamp'], WEBHOOK_SIGNATURE: headers['webhook-signature'],
        });
        assert.equal(status === 0, isGood, `a webhook ${name}: ended with ${status}\n${output}`);
      }
    }
  }

  async #receives(sample) {
    const { good, bad } = await this.#webhook();
    const started = await this.#start(sample, { KASHIO_WEBHOOK_SECRET: this.secret });
    try {
      const send = (headers, body) => post(`http://127.0.0.1:${started.port}/kashio`, headers, body);
      await eventually('the receiver', () => send({}, Buffer.from('{}')).then(() => true, () => false));
      for (const [name, [headers, body]] of Object.entries(good)) {
        const status = await send(headers, body);
        assert.ok(status >= 200 && status < 300, `a webhook ${name}: ${status}`);
      }
      for (const [name, [headers, body]] of Object.entries(bad)) {
        assert.equal(await send(headers, body), 400, `a webhook ${name}`);
      }
    } catch (error) {
      throw new Error(`${error.message}\n${started.output.slice(-2_000)}`);
    } finally {
      started.child.kill();
      await started.ended;
    }
  }

  // His way to the service.
  #pass = (request, response) => {
    const { pathname, search } = new URL(request.url, 'http://x');
    const forward = http.request(`${this.dev.public_url}${pathname}${search}`, {
      method: request.method, headers: { ...request.headers, host: new URL(this.dev.public_url).host }, agent: false,
    }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        this.answers.push({ status: answer.statusCode, text });
        this.secret = /"secret":"(whsec_[^"]+)"/.exec(text)?.[1] ?? this.secret;
        response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(chunks));
      });
    });
    forward.on('error', () => response.destroy());
    request.pipe(forward);
  };

  #receive = async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    this.webhooks.push({ headers: request.headers, body });
    response.writeHead(204).end();
  };

  async #console(path, body) {
    const answer = await fetch(`${this.dev.internal_url}/internal/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.dev.kcms_key}`, 'x-actor': 'guia', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    // A key costs a hash: with several readers at once there may be no room for one more.
    if (answer.status === 503) return sleep(500).then(() => this.#console(path, body));
    assert.ok(answer.ok, `${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}

// How a language is run; JavaScript goes behind the two lines of the front page.
function program(language, code, url) {
  if (language === 'shell') {
    return { file: { name: 'sample.sh', text: code }, command: ['bash', '-e', '-o', 'pipefail', 'sample.sh'] };
  }
  if (language === 'python') return { file: { name: 'sample.py', text: code }, command: ['python3', 'sample.py'] };
  if (code.startsWith('import ')) return { file: { name: 'sample.mjs', text: code }, command: ['node', 'sample.mjs'] };
  const usual = code.includes('require(') ? '' : `const KashIO = require('kashio');
const api = KashIO.authorize(process.env.KASHIO_KEY, { baseUrl: '${url}' });\n`;
  return { file: { name: 'sample.js', text: `(async () => {\n${usual}${code}})();\n` }, command: ['node', 'sample.js'] };
}

async function listen(handle) {
  const server = http.createServer(handle);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  server.url = `http://127.0.0.1:${server.address().port}`;
  return server;
}

async function freePort() {
  const server = await listen(() => {});
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

function post(url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', headers: { ...headers, 'content-length': body.length }, agent: false },
      (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
    request.on('error', reject).end(body);
  });
}

async function eventually(what, look) {
  const ends = Date.now() + TIME_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < ends, `${what}: not within ${TIME_MS / 1_000} s`);
    await sleep(50);
  }
}
