// A printed answer, held against the one that came. Ids, codes and tokens that are printed stand for those that came, from
// then on; what is different each time is compared by its form; everything else must be as it is printed.

const BASE57 = '[2-9A-HJ-NP-Za-km-z]{22}';
const ID = new RegExp(`^(inv|pay|eve|whe|del|acc|key)_(test|live)_${BASE57}$`);
const FORMS = [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/, new RegExp(`^req_${BASE57}$`), /^whsec_[0-9A-Za-z+/]{43}=$/];
const BY_NAME = { ktin: /^\d{12,14}$/, token: new RegExp(`^${BASE57}$`) };
const RUNNING_NUMBERS = ['sequence', 'duration_ms'];

/** What is printed, with what came in the place of what stands for it. */
export function put(known, text) {
  let out = text;
  for (const [printed, came] of known) out = out.replaceAll(printed, came);
  return out;
}

/** Throws when `came` is not what `printed` says; `known` learns what the printed names stand for. */
export function compare(printed, came, { known, isExcerpt }) {
  learn(printed, came, known);
  same(printed, came, '', known, isExcerpt);
}

function learn(printed, came, known, name) {
  if (typeof printed === 'string' && typeof came === 'string') {
    const form = ID.test(printed) ? ID : BY_NAME[name];
    if (form?.test(printed) && form.test(came) && !known.has(printed)) known.set(printed, came);
  } else if (typeof printed === 'object' && printed !== null && typeof came === 'object' && came !== null) {
    for (const key of Object.keys(printed)) learn(printed[key], came[key], known, key);
  }
}

function same(printed, came, at, known, isExcerpt, name) {
  const fail = (what) => { throw new Error(`answer${at}: ${what}`); };
  const kind = (value) => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value);
  if (kind(printed) !== kind(came)) fail(`${JSON.stringify(printed)} is printed, ${JSON.stringify(came)} came`);
  if (typeof printed === 'object' && printed !== null) {
    const [wanted, given] = [Object.keys(printed), Object.keys(came)];
    const missing = wanted.filter((key) => !given.includes(key));
    const more = isExcerpt ? [] : given.filter((key) => !wanted.includes(key));
    if (missing.length > 0) fail(`without ${missing}`);
    if (more.length > 0) fail(`${more} came and is not printed`);
    for (const key of wanted) {
      same(printed[key], came[key], Array.isArray(printed) ? `${at}[${key}]` : `${at}.${key}`, known, isExcerpt, key);
    }
    return;
  }
  const isSame = typeof printed === 'string'
    ? put(known, printed) === came || FORMS.some((form) => form.test(printed) && form.test(came))
    : printed === came || (typeof printed === 'number' && RUNNING_NUMBERS.includes(name));
  if (!isSame) fail(`${JSON.stringify(printed)} is printed, ${JSON.stringify(came)} came`);
}
