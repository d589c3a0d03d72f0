// Every sample of the guide, run by readers who choose one language each. node run.mjs DEV_JSON SDK FOLDER
// What a block means: docs/api/README.md.

import { readFileSync } from 'node:fs';
import { groupsOf, LANGUAGES } from './blocks.mjs';
import { Reader } from './reader.mjs';

const [devJson, sdk, folder] = process.argv.slice(2);
const dev = JSON.parse(readFileSync(devJson, 'utf8'));
const editions = { es: groupsOf('docs/api/es'), en: groupsOf('docs/api/en') };
const MOST_LINES = 20;

let failures = 0, runs = 0, compared = 0;
const ran = new Set();
const failed = (at, message) => {
  failures += 1;
  console.log(`FAILED  ${at}: ${message}`);
};

async function read(edition, language) {
  const reader = new Reader({ edition, language, dev, sdk, folder });
  await reader.open();
  const groups = editions[edition];
  const pages = new Set(groups.filter(({ samples }) => samples.some((one) => one.language === language)).map(({ page }) => page));
  for (const group of groups.filter(({ page }) => pages.has(page))) {
    try {
      ran.add(await reader.run(group));
      runs += 1;
      compared += group.answer ? 1 : 0;
    } catch (error) {
      // What comes after it stands on it.
      const { at } = group.samples.find((one) => one.language === language) ?? group.samples[0];
      failed(`${at} (${language})`, error.message);
      break;
    }
  }
  reader.close();
}

// From `npm install` to the verified webhook.
for (const groups of Object.values(editions)) {
  const to = groups.findIndex(({ samples }) => samples[0].language === 'javascript');
  const lines = groups.slice(0, to + 1).flatMap(({ samples }) => samples[0].code.split('\n').filter((line) => line.trim()));
  if (!lines[0].startsWith('npm install') || lines.length >= MOST_LINES) failed(groups[to].samples[0].at, `${lines.length} lines`);
}

const readers = Object.keys(editions).flatMap((edition) => LANGUAGES.map((language) => [edition, language]));
await Promise.all(readers.map(([edition, language]) =>
  read(edition, language).catch((error) => failed(`${edition} (${language})`, error.stack))));

const samples = Object.values(editions).flat().flatMap((group) => group.samples);
const missed = samples.filter((sample) => !ran.has(sample));
if (failures > 0) console.log(`${missed.length} samples were not reached`);
else for (const { at } of missed) failed(at, 'was not run');
console.log(`${samples.length} samples, ${runs} runs by ${readers.length} readers, ${compared} answers compared, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
