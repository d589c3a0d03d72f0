// The guide's pages as their readers meet them: samples, some of them in tabs, and the answers that are printed below.

import { readdirSync, readFileSync } from 'node:fs';

export const LANGUAGES = ['shell', 'javascript', 'python'];

/**
 * The groups of an edition, in the order of reading: `{ page, samples: [block], answer?: block }`. A
 * block is `{ at: 'file:line', language, words, code }`.
 */
export function groupsOf(folder) {
  const groups = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.md')).sort()) {
    let [open, together] = [undefined, undefined];
    readFileSync(`${folder}/${file}`, 'utf8').split('\n').forEach((line, index) => {
      if (open && line === '```') {
        const block = { ...open, code: `${open.lines.join('\n')}\n` };
        open = undefined;
        if (LANGUAGES.includes(block.language)) {
          if (!together || together.answer || together.samples.some((one) => one.language === block.language)) {
            groups.push(together = { page: file, samples: [] });
          }
          together.samples.push(block);
        } else if (block.language === 'json') {
          const last = groups.at(-1);
          if (!last || last.answer) throw new Error(`${block.at}: an answer without a sample before it`);
          last.answer = block;
        }
      } else if (open) {
        open.lines.push(line);
      } else if (line.startsWith('```')) {
        const [language, ...words] = line.slice(3).split(' ');
        open = { at: `${folder}/${file}:${index + 1}`, language, words, lines: [] };
      } else if (line.trim() !== '') {
        together = undefined; // text between two blocks: they are not tabs of one sample
      }
    });
    if (open) throw new Error(`${open.at}: the block has no end`);
  }
  return groups;
}
