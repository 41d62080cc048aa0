// Counts down, and brings the page up to date in place: what is open stays open, and the focus where it was.
'use strict';
const EVERY = 5000;
const find = id => document.getElementById(id);
let ahead = 0;

function length(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  if (days) return days === 1 ? '1 day' : `${days} days`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${seconds} s`;
}

function tick() {
  const now = Math.floor((Date.now() + ahead) / 1000);
  for (const time of document.querySelectorAll('time[data-in]')) {
    const left = Math.floor(Date.parse(time.dateTime) / 1000) - now;
    const due = time.dataset.in === 'due';
    time.textContent = left > 0 ? `in ${length(left)}` : due ? 'now' : left ? `${length(-left)} ago` : 'just now';
  }
}

// The agent's clock counts, not this machine's.
const set = () => { ahead = Date.parse(find('now').dateTime) - Date.now(); tick(); };

function take(fresh) {
  const shown = new Map([...document.querySelectorAll('details')].map(one => [one.id, one.open]));
  const focus = document.activeElement?.id;
  for (const id of ['state', 'page']) find(id).replaceWith(fresh.getElementById(id));
  for (const one of document.querySelectorAll('details')) one.open = shown.get(one.id) ?? one.open;
  if (focus) find(focus)?.focus({ preventScroll: true });
  document.title = fresh.title;
  document.querySelector('link[rel=icon]').href = fresh.querySelector('link[rel=icon]').href;
  set();
}

async function renew() {
  if (document.hidden || !getSelection().isCollapsed) return;
  const lost = find('lost');
  try {
    const answer = await fetch('', { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(EVERY) });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (getSelection().isCollapsed) take(fresh);
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

set();
setInterval(tick, 1000);
setInterval(renew, EVERY);
document.addEventListener('visibilitychange', renew);
