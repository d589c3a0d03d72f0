'use strict';

// A list: `await` it for one page, `for await` it for all there is; nothing is asked before. The API says with every page where
// the next one is (`Link`); its query is followed, its host is not.

class List {
  #page;
  #first;

  /** @param {(query?: string) => Promise<{value: object, headers: Headers}>} page the first, or the one of that query */
  constructor(page) {
    this.#page = page;
  }

  /** One page: `{ object, has_more, data }`. */
  then(resolve, reject) {
    this.#first ??= this.#page().then(({ value }) => value);
    return this.#first.then(resolve, reject);
  }

  catch(reject) { return this.then(undefined, reject); }

  finally(settled) { return this.then().finally(settled); }

  /** All objects, page by page. */
  async* [Symbol.asyncIterator]() {
    for await (const { value } of pages(this.#page)) yield* value.data;
  }
}

/** Every page, each with its headers. */
async function* pages(page) {
  for (let answer = await page(); ; ) {
    yield answer;
    const [, next] = /<[^>?]*\?([^>]*)>;\s*rel="next"/.exec(answer.headers.get('link') ?? '') ?? [];
    if (next === undefined) return;
    answer = await page(next);
  }
}

module.exports = { List, pages };
