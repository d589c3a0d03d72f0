(() => {
  const list = document.getElementById('list'), empty = document.getElementById('empty');
  const live = document.getElementById('live');
  let seen = 0;
  const make = (name, text, kind) => {
    const part = document.createElement(name);
    part.textContent = text;
    if (kind) part.className = kind;
    return part;
  };
  const show = (webhook) => {
    const item = document.createElement('li'), details = document.createElement('details');
    const summary = document.createElement('summary');
    summary.append(
      make('b', webhook.type),
      make('span', webhook.verified ? 'firma correcta' : 'firma no reconocida', webhook.verified ? 'mark' : 'mark bad'),
      make('code', webhook.id),
      make('time', webhook.time));
    const body = make('pre', webhook.headers + '\n\n' + webhook.body);
    body.tabIndex = 0;
    details.append(summary, body);
    item.append(details);
    list.prepend(item);
  };
  const ask = async () => {
    try {
      const answer = await fetch('webhooks.json?after=' + seen);
      for (const webhook of (await answer.json()).data) { show(webhook); seen = webhook.number; }
      empty.hidden = seen > 0;
      live.textContent = 'en vivo';
      live.className = 'live';
    } catch {
      live.textContent = 'kashio dev no responde';
      live.className = 'live off';
    }
    setTimeout(ask, 700);
  };
  ask();
})();
