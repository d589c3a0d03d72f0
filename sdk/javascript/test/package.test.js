'use strict';

// The package as others get it: packed, installed under either name, and the quick start of README.md, word for word.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { promisify } = require('node:util');
const { createServer } = require('node:net');
const { once } = require('node:events');
const { start } = require('./support/kashio');

const run = promisify(execFile);
const source = path.join(__dirname, '..');
const quiet = ['--silent', '--no-audit', '--no-fund', '--offline', '--ignore-scripts'];
const readme = fs.readFileSync(path.join(source, 'README.md'), 'utf8');
const block = (language, nth = 0) => [...readme.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(([, name]) => name === language)[nth][2];

let folder;
let packed;
const shop = (name) => {
  const home = path.join(folder, name);
  fs.mkdirSync(home);
  fs.writeFileSync(path.join(home, 'package.json'), '{ "private": true }');
  return home;
};
const node = (cwd, ...args) => run(process.execPath, args, { cwd }).then(({ stdout }) => stdout.trim());

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kashio-package.'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: source });
  [packed] = JSON.parse(stdout);
  packed.file = path.join(folder, packed.filename);
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

test('the packed package has the implementation and the types', () => {
  const wanted = ['README.md', 'package.json', 'index.d.ts', 'index.d.mts', 'index.mjs',
    ...fs.readdirSync(path.join(source, 'lib'), { recursive: true }).filter((file) => file.endsWith('.js')).map((file) => `lib/${file}`)];
  assert.deepEqual(packed.files.map(({ path: name }) => name).sort(), wanted.sort());
});

test('with a capital name, packed or as a folder, the lines of 2017 work, and nothing else was installed', async () => {
  const seed = block('js', 1);
  assert.match(seed, /^const KashIO = require\('KashIO'\);\n\nlet api = KashIO\.authorize\('your_private_api_key'\);\n$/);
  for (const [name, from] of [['packed', packed.file], ['folder', source]]) {
    const home = shop(name);
    await run('npm', ['install', ...quiet, `KashIO@file:${from}`], { cwd: home });
    assert.deepEqual(fs.readdirSync(path.join(home, 'node_modules')).filter((entry) => !entry.startsWith('.')), ['KashIO']);
    assert.equal(await node(home, '-e', `${seed} console.log(api)`), "KashIO { mode: 'unknown', baseUrl: 'https://api.kashio.net' }");
  }
});

test('its types hold for those who have installed it, in both kinds of modules', async () => {
  const home = shop('typed');
  await run('npm', ['install', ...quiet, packed.file], { cwd: home });
  fs.cpSync(path.join(source, 'test/types'), home, { recursive: true });
  for (const name of ['@types', 'undici-types']) {
    fs.cpSync(path.join(source, 'node_modules', name), path.join(home, 'node_modules', name), { recursive: true });
  }
  await node(home, path.join(source, 'node_modules/typescript/bin/tsc'), '--project', '.');
});

test('the quick start: under 20 lines from the installation to a verified webhook', async () => {
  const [install, program] = [block('sh'), block('js')];
  const lines = `${install}${program}`.split('\n').filter((line) => line.trim() !== '');
  assert.ok(lines.length < 20, `${lines.length} lines`);
  assert.equal(install, 'npm install ./sdk/javascript\n');

  const home = shop('quick');
  fs.mkdirSync(path.join(home, 'sdk'));
  fs.symlinkSync(source, path.join(home, 'sdk/javascript'));
  await run('npm', ['install', ...quiet, './sdk/javascript'], { cwd: home });

  const dev = await start();
  try {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const port = String(probe.address().port);
    probe.close();
    await once(probe, 'close');
    fs.writeFileSync(path.join(home, 'shop.mjs'), program.replace('http://127.0.0.1:8080', dev.public_url).replaceAll('3000', port));
    for (let times = 0; times < 2; times += 1) {
      const { stdout, stderr } = await run(process.execPath, ['shop.mjs'],
        { cwd: home, timeout: 30_000, env: { ...process.env, KASHIO_KEY: dev.test_key } });
      assert.deepEqual([stdout, stderr], ['invoice.paid paid 20.00\n', '']);
    }
  } finally {
    await dev.stop();
  }
});
