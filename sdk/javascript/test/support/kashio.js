'use strict';

// The service itself, `kashio dev`, on free ports and with a database of its own: KASHIO_BIN, or what cargo built last.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const program = process.env.KASHIO_BIN
  ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(__dirname, '../../../../target'), 'debug/kashio');

/** @returns what dev.json says (public_url, test_key, live_key, …) and `stop` */
async function start() {
  if (!fs.existsSync(program)) throw new Error(`${program} is not built: cargo build --workspace --bin kashio`);
  // Postgres may run as another user, who must be able to reach its folder.
  const home = fs.mkdtempSync('/var/tmp/kashio-sdk.');
  fs.chmodSync(home, 0o711);
  const told = path.join(home, 'data', 'dev.json');
  const log = fs.openSync(path.join(home, 'log'), 'w');
  const { DATABASE_URL, ...env } = process.env;
  const service = spawn(program, ['dev', '--data-dir', path.join(home, 'data')], {
    cwd: home,
    stdio: ['ignore', log, log],
    env: {
      ...env,
      KASHIO__HTTP__BIND: '127.0.0.1:0',
      KASHIO__INTERNAL__BIND: '127.0.0.1:0',
      KASHIO__MANAGEMENT__BIND: '127.0.0.1:0',
      KASHIO__SHUTDOWN__LAME_DUCK_SECONDS: '0',
    },
  });
  const gone = once(service, 'exit');
  const end = () => service.kill('SIGTERM');
  process.once('exit', end);

  for (let waited = 0; !fs.existsSync(told) || fs.statSync(told).size === 0; waited += 1) {
    if (service.exitCode !== null || waited === 600) throw new Error(fs.readFileSync(path.join(home, 'log'), 'utf8'));
    await sleep(100);
  }
  const stop = async () => {
    process.removeListener('exit', end);
    end();
    await gone;
    fs.rmSync(home, { recursive: true, force: true });
  };
  return { ...JSON.parse(fs.readFileSync(told, 'utf8')), stop };
}

module.exports = { start };
