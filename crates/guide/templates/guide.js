// What the guide can do beyond being read: remember light or dark and the language of samples, copy, search.
'use strict';

const remembered = (name) => { try { return localStorage.getItem(`kashio-${name}`); } catch { return null; } };
const remember = (name, value) => { try { localStorage.setItem(`kashio-${name}`, value); } catch { /* asked not to */ } };

// Before the page is drawn.
if (remembered('theme')) document.documentElement.dataset.theme = remembered('theme');

document.addEventListener('DOMContentLoaded', () => {
  const { dataset } = document.body;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const theme = document.querySelector('.theme');
  theme.hidden = false;
  theme.addEventListener('click', () => {
    const { documentElement: root } = document;
    const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = isDark ? 'light' : 'dark';
    remember('theme', root.dataset.theme);
  });

  // Samples in several languages become tabs; the choice is everybody's and goes along to the next page.
  const groups = all('.samples').filter((group) => group.children.length > 1).map((group, number) => {
    const tabs = make('div', { className: 'tabs', role: 'tablist', ariaLabel: dataset.languages });
    const panels = all('.sample', group);
    const buttons = panels.map((panel) => {
      const { language } = panel.dataset;
      const id = `tab-${number}-${language}`;
      panel.id = `${id}-panel`;
      panel.setAttribute('role', 'tabpanel');
      panel.setAttribute('aria-labelledby', id);
      const button = make('button', { type: 'button', id, role: 'tab', textContent: panel.querySelector('.name').textContent });
      button.setAttribute('aria-controls', panel.id);
      button.addEventListener('click', () => choose(language, button));
      return button;
    });
    tabs.append(...buttons);
    tabs.addEventListener('keydown', ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
      next.focus();
      next.click();
    });
    group.classList.add('tabbed');
    group.prepend(tabs);
    return { panels, buttons };
  });

  function show(language) {
    for (const { panels, buttons } of groups) {
      const chosen = Math.max(panels.findIndex((panel) => panel.dataset.language === language), 0);
      panels.forEach((panel, index) => {
        panel.hidden = index !== chosen;
        buttons[index].setAttribute('aria-selected', index === chosen);
        buttons[index].tabIndex = index === chosen ? 0 : -1;
      });
    }
  }

  function choose(language, button) {
    const before = button.getBoundingClientRect().top;
    show(language);
    remember('language', language);
    // What is above may be longer or shorter now: what was clicked stays where it was.
    scrollBy({ top: button.getBoundingClientRect().top - before, behavior: 'instant' });
  }
  show(remembered('language'));

  for (const panel of all('.panel')) {
    const button = make('button', { type: 'button', className: 'copy', textContent: dataset.copy });
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(panel.querySelector('code').textContent);
      button.textContent = dataset.copied;
      button.classList.add('done');
      setTimeout(() => { button.textContent = dataset.copy; button.classList.remove('done'); }, 2000);
    });
    panel.append(button);
  }

  // Search: every word must be in a section, with or without its accents; titles count most.
  const form = document.querySelector('.search');
  const input = form.querySelector('input');
  const list = form.querySelector('.found');
  const count = form.querySelector('#q-count');
  const MOST = 12;
  let sections;
  form.hidden = false;

  // As many characters as before, so that a place in one is the place in the other.
  const plain = (text) => [...text].map((letter) => {
    const bare = letter.normalize('NFD')[0].toLowerCase();
    return bare.length === letter.length ? bare : letter;
  }).join('');

  async function load() {
    sections ??= fetch(dataset.index).then((answer) => answer.json()).then((found) => found.map((section) => ({
      ...section, title: plain(`${section.p} ${section.h}`), text: plain(section.t),
    })));
    return sections;
  }

  function rank(section, words) {
    let rank = 0;
    for (const word of words) {
      const inTitle = section.title.includes(word);
      const inText = section.text.split(word).length - 1;
      if (!inTitle && inText === 0) return 0;
      rank += (inTitle ? 20 : 0) + Math.min(inText, 5);
    }
    return rank;
  }

  // The words around the first hit, what was looked for marked.
  function excerpt(section, words) {
    const first = Math.min(...words.map((word) => section.text.indexOf(word)).filter((place) => place >= 0));
    const from = Number.isFinite(first) ? Math.max(0, section.t.lastIndexOf(' ', Math.max(0, first - 45)) + 1) : 0;
    const line = make('span');
    let [place, end] = [from, Math.min(section.t.length, from + 150)];
    if (from > 0) line.append('… ');
    while (place < end) {
      const hits = words.map((word) => [section.text.indexOf(word, place), word.length]).filter(([at]) => at >= 0 && at < end);
      const [at, length] = hits.sort(([a], [b]) => a - b)[0] ?? [end, 0];
      line.append(section.t.slice(place, at));
      if (length > 0) line.append(make('mark', { textContent: section.t.slice(at, at + length) }));
      place = at + length;
    }
    return line;
  }

  function close() {
    list.hidden = true;
    list.replaceChildren();
    count.textContent = '';
  }

  async function search() {
    const words = plain(input.value).split(/\s+/).filter((word) => word.length > 1);
    if (words.length === 0) return close();
    const ranked = (await load()).map((section, place) => ({ section, place, rank: rank(section, words) }));
    if (words.join() !== plain(input.value).split(/\s+/).filter((word) => word.length > 1).join()) return undefined;
    const found = ranked.filter(({ rank }) => rank > 0).sort((a, b) => b.rank - a.rank || a.place - b.place).slice(0, MOST);
    list.replaceChildren(...found.map(({ section }) => {
      const link = make('a', { href: section.u }, make('b', { textContent: section.h || section.p }));
      if (section.h) link.append(' ', make('small', { textContent: section.p }));
      link.append(excerpt(section, words));
      link.addEventListener('click', close);
      return make('li', {}, link);
    }));
    count.textContent = found.length === 0 ? dataset.none : `${found.length} ${dataset.some}`;
    if (found.length === 0) list.append(make('li', { className: 'none', textContent: dataset.none }));
    list.hidden = false;
    return undefined;
  }

  input.addEventListener('focus', load, { once: true });
  input.addEventListener('input', search);
  input.addEventListener('focus', search);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    list.querySelector('a')?.click();
  });
  form.addEventListener('keydown', (event) => {
    const places = [input, ...all('a', list)];
    const here = places.indexOf(document.activeElement);
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      places[(here + (event.key === 'ArrowDown' ? 1 : -1) + places.length) % places.length].focus();
    } else if (event.key === 'Escape') {
      close();
      input.blur();
    }
  });
  form.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget && !form.contains(relatedTarget)) close();
  });
  document.addEventListener('click', ({ target }) => { if (!form.contains(target)) close(); });
  document.addEventListener('keydown', (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName);
    if (!isTyping && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key === '/' || event.key === 's')) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
  for (const link of all('.menu a')) link.addEventListener('click', () => { link.closest('details').open = false; });
});
