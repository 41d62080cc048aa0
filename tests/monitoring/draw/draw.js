// Draws each panel from recorded answers, as Grafana would as far as the eye is concerned, and says in #summary what
// came out: how much data each panel shows, with which texts and units, and where.
'use strict';

const PALETTE = ['#73BF69', '#F2CC0C', '#8AB8FF', '#FF780A', '#F2495C', '#5794F2', '#B877D9', '#FF9830', '#96D98D', '#FFCB7D'];
const SHADES = ['#F2495C', '#A02334', '#FF8A98', '#6B1220'];
const COLORS = { green: '#73BF69', red: '#F2495C', orange: '#FF9830', yellow: '#FADE2A', blue: '#5794F2', purple: '#B877D9', text: '#ccccdc', transparent: 'transparent' };
const TOP = 104, UNIT = 38, GAP = 8, SIDE = 16, WIDTH = 1280;
const color = name => COLORS[name] ?? name;

// ------------------------------------------------------------------ numbers as words

function digits(value, decimals) {
  if (decimals !== undefined) return value.toFixed(decimals);
  if (value === 0) return '0';
  const places = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return String(Number(value.toFixed(places)));
}

function seconds(value, decimals) {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 1e-3) return `${digits(value * 1e6, decimals)} µs`;
  if (size < 1) return `${digits(value * 1e3, decimals)} ms`;
  if (size < 60) return `${digits(value, decimals)} s`;
  if (size < 3600) return `${digits(value / 60, decimals ?? 1)} min`;
  if (size < 86400) return `${digits(value / 3600, decimals ?? 1)} h`;
  return `${digits(value / 86400, decimals ?? 1)} d`;
}

function scaled(value, base, names, decimals) {
  let at = 0;
  while (Math.abs(value) >= base && at < names.length - 1) { value /= base; at += 1; }
  return digits(value, decimals) + (names[at] && ` ${names[at]}`);
}

function ago(milliseconds) {
  const past = answers.to - milliseconds / 1000;
  if (past < 2) return 'just now';
  return past < 90 ? `${Math.round(past)} seconds ago` : `${Math.round(past / 60)} minutes ago`;
}

const UNITS = {
  none: (value, decimals) => digits(value, decimals),
  short: (value, decimals) => scaled(value, 1000, ['', 'K', 'Mil'], decimals),
  s: seconds,
  percentunit: (value, decimals) => `${digits(value * 100, decimals)}%`,
  bytes: (value, decimals) => scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB'], decimals),
  ops: (value, decimals) => `${digits(value, decimals)} ops/s`,
  opm: (value, decimals) => `${digits(value, decimals)} ops/m`,
  reqps: (value, decimals) => `${digits(value, decimals)} req/s`,
  dateTimeFromNow: ago,
};

function worded(value, config) {
  if (!Number.isFinite(value)) return String(value);
  const mapped = mapping(value, config);
  if (mapped) return mapped.text;
  const unit = UNITS[config.unit ?? 'none'];
  if (!unit) throw new Error(`no such unit: ${config.unit}`);
  return unit(value, config.decimals);
}

function mapping(value, config) {
  const all = (config.mappings ?? []).filter(one => one.type === 'value');
  return all.map(one => one.options[String(value)]).find(Boolean);
}

function threshold(value, config) {
  const mapped = mapping(value, config);
  if (mapped) return color(mapped.color);
  const steps = config.thresholds?.steps ?? [];
  return color(steps.filter(step => step.value === null || value >= step.value).pop()?.color ?? 'text');
}

// ------------------------------------------------------------------ data

const replaced = (text, labels) => text.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '').replace(/\s+/g, ' ').trim();

function seriesName(target, metric) {
  if (target.legendFormat) return replaced(target.legendFormat, metric);
  return Object.entries(metric).map(([name, value]) => `${name}="${value}"`).join(', ') || 'value';
}

// Every series of a panel: name, labels, points of [time, number].
function allSeries(panel) {
  const found = [];
  panel.targets.forEach((target, at) => {
    for (const row of answers.panels[panel.id]?.[at]?.result ?? []) {
      const points = (row.values ?? [row.value]).map(([time, value]) => [time, Number(value)]).filter(([, value]) => !Number.isNaN(value));
      if (points.length) found.push({ name: seriesName(target, row.metric), labels: row.metric, points });
    }
  });
  return found;
}

function configOf(panel, name) {
  const config = structuredClone(panel.fieldConfig.defaults);
  for (const one of panel.fieldConfig.overrides ?? []) {
    if (one.matcher.options !== name) continue;
    for (const { id, value } of one.properties) {
      const path = id.split('.');
      const last = path.pop();
      path.reduce((at, key) => (at[key] ??= {}), config)[last] = value;
    }
  }
  return config;
}

const last = series => series.points[series.points.length - 1][1];
const CALCS = {
  lastNotNull: ['Last', last],
  max: ['Max', series => Math.max(...series.points.map(point => point[1]))],
  sum: ['Total', series => series.points.reduce((sum, point) => sum + point[1], 0)],
};

// ------------------------------------------------------------------ what is drawn with

function element(kind, attributes = {}, ...children) {
  const svg = ['svg', 'path', 'rect', 'line', 'text', 'g'].includes(kind);
  const made = svg ? document.createElementNS('http://www.w3.org/2000/svg', kind) : document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function nothing(panel) {
  const said = panel.fieldConfig.defaults.noValue ?? (panel.type === 'alertlist' ? 'No alerts match' : 'No data');
  return element('div', { class: 'nothing' }, said);
}

// Round steps for an axis.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(one => one * power).find(one => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function secondsTicks(low, high, wanted) {
  if ((high - low) / wanted < 0.001) return ticks(low, high, wanted);
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 10, 20, 30, 60, 300, 600, 900, 1200, 1800, 3600, 7200, 21600].find(one => one >= (high - low) / wanted);
  if (!step) return ticks(low, high, wanted);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(at);
  return found;
}

const clock = time => new Date(time * 1000).toISOString().slice(11, 19);

// An area with time along the bottom; gives x(time).
function timeAxis(svg, left, width, height) {
  const x = time => left + (time - answers.from) / (answers.to - answers.from) * (width - left - 4);
  const count = Math.max(2, Math.floor((width - left) / 110));
  for (let at = 0; at < count; at += 1) {
    const time = answers.from + (at + 0.5) * (answers.to - answers.from) / count;
    svg.append(element('text', { x: x(time), y: height - 3, 'text-anchor': 'middle' }, clock(time)));
  }
  return x;
}

// ------------------------------------------------------------------ panels

function drawStat(panel, body) {
  const all = allSeries(panel);
  body.classList.add('stat');
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const config = panel.fieldConfig.defaults;
  const named = panel.options.textMode === 'name';
  const texts = all.map(series => named ? series.name : worded(last(series), config));
  body.style.background = threshold(last(all[0]), config);
  body.style.color = '#111217';
  body.style.fontSize = `${Math.min(44, 300 / Math.max(...texts.map(text => text.length), 5))}px`;
  body.append(texts.join(', '));
  return { points: all.length, texts };
}

function drawGauge(panel, body, width, height) {
  const all = allSeries(panel);
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const config = panel.fieldConfig.defaults;
  const value = last(all[0]);
  const share = Math.min(1, Math.max(0, (value - config.min) / (config.max - config.min)));
  const svg = element('svg', { width, height });
  const [cx, cy, radius] = [width / 2, height * 0.78, Math.min(width / 2.4, height * 0.7)];
  const point = part => { const angle = Math.PI * (1.1 * part - 1.05); return [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)]; };
  const arc = (from, to, stroke, thick) => {
    const [[x1, y1], [x2, y2]] = [point(from), point(to)];
    return element('path', { d: `M${x1} ${y1} A${radius} ${radius} 0 ${(to - from) * 1.1 > 1 ? 1 : 0} 1 ${x2} ${y2}`, fill: 'none', stroke, 'stroke-width': thick });
  };
  const text = worded(value, config);
  svg.append(arc(0, 1, '#2c2f36', 16), arc(0, Math.max(share, 0.001), threshold(value, config), 16));
  svg.append(element('text', { x: cx, y: cy, 'text-anchor': 'middle', style: `font-size:26px;fill:${threshold(value, config)}` }, text));
  body.append(svg);
  return { points: all.length, texts: [text] };
}

function legendOf(panel, all, colors) {
  const shown = panel.options.legend;
  const calcs = (shown.calcs ?? []).map(name => CALCS[name]);
  const key = at => element('i', { style: `background:${colors[at]}` });
  if (shown.displayMode === 'table') {
    const table = element('table', {}, element('tr', {}, element('th'), ...calcs.map(([title]) => element('th', { class: 'right' }, title))));
    all.forEach((series, at) => {
      const config = configOf(panel, series.name);
      table.append(element('tr', {}, element('td', {}, key(at), series.name), ...calcs.map(([, of]) => element('td', { class: 'right' }, worded(of(series), config)))));
    });
    return element('div', { class: 'legend table' }, table);
  }
  return element('div', { class: 'legend list' }, ...all.map((series, at) => element('span', {}, key(at), series.name)));
}

function drawTimeseries(panel, body, width, height) {
  const all = allSeries(panel);
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const { defaults } = panel.fieldConfig;
  const { custom } = defaults;
  const colors = all.map((series, at) => {
    const own = configOf(panel, series.name).color;
    if (own?.mode === 'fixed') return color(own.fixedColor);
    return own?.mode === 'shades' ? SHADES[at % SHADES.length] : PALETTE[at % PALETTE.length];
  });
  const legend = legendOf(panel, all, colors);
  const beside = panel.options.legend.displayMode === 'table';
  body.style.flexDirection = beside ? 'row' : 'column';
  body.append(legend);
  if (beside) width -= 285; else height -= legend.offsetHeight;
  const stacked = custom.stacking.mode === 'normal';
  const under = new Map();
  const drawn = all.map(series => series.points.map(([time, value]) => {
    const low = stacked ? under.get(time) ?? 0 : 0;
    if (stacked) under.set(time, low + value);
    return [time, low, low + value];
  }));
  const tops = drawn.flat().map(point => point[2]);
  const limits = (defaults.thresholds?.steps ?? []).filter(step => step.value !== null && custom.thresholdsStyle.mode !== 'off');
  let low = defaults.min ?? Math.min(...tops, stacked || custom.drawStyle === 'bars' ? 0 : Infinity);
  let high = defaults.max ?? Math.max(...tops);
  if (high === low) high = low + (Math.abs(low) || 1);
  if (defaults.max === undefined) high += (high - low) * 0.08;
  const wanted = Math.max(2, Math.floor(height / 45));
  const mebi = 2 ** 20;
  const marks = defaults.unit === 's' ? secondsTicks(low, high, wanted)
    : defaults.unit === 'bytes' ? ticks(low / mebi, high / mebi, wanted).map(mark => mark * mebi) : ticks(low, high, wanted);
  const labels = marks.map(mark => worded(mark, { unit: defaults.unit }));
  const left = 12 + 6.6 * Math.max(...labels.map(label => label.length));
  const svg = element('svg', { width, height });
  const x = timeAxis(svg, left, width, height);
  const y = value => height - 20 - (value - low) / (high - low) * (height - 28);
  marks.forEach((mark, at) => {
    svg.append(element('line', { x1: left, x2: width, y1: y(mark), y2: y(mark), stroke: '#26282e' }));
    svg.append(element('text', { x: left - 6, y: y(mark) + 4, 'text-anchor': 'end' }, labels[at]));
  });
  drawn.forEach((points, at) => {
    const stroke = colors[at];
    if (custom.drawStyle === 'bars') {
      const wide = Math.max(1, x(answers.from + answers.step) - x(answers.from));
      for (const [time, from, to] of points) {
        if (to > from) svg.append(element('rect', { x: x(time) - wide / 2, width: wide, y: y(to), height: y(from) - y(to), fill: stroke, opacity: custom.fillOpacity / 100 }));
      }
      return;
    }
    // A hole in the answers is a hole in the line.
    const pieces = [];
    points.forEach((point, index) => {
      if (index === 0 || point[0] - points[index - 1][0] > answers.step * 1.5) pieces.push([]);
      pieces[pieces.length - 1].push(point);
    });
    for (const piece of pieces) {
      const line = piece.map(([time, , to], index) => `${index ? 'L' : 'M'}${x(time).toFixed(1)} ${y(to).toFixed(1)}`).join('');
      const back = piece.slice().reverse().map(([time, from]) => `L${x(time).toFixed(1)} ${y(stacked ? from : Math.max(low, 0)).toFixed(1)}`).join('');
      if (custom.fillOpacity) svg.append(element('path', { d: `${line}${back}Z`, fill: stroke, opacity: custom.fillOpacity / 100 }));
      svg.append(element('path', { d: line, fill: 'none', stroke, 'stroke-width': custom.lineWidth }));
    }
  });
  for (const step of limits) {
    if (step.value >= low && step.value <= high) svg.append(element('line', { x1: left, x2: width, y1: y(step.value), y2: y(step.value), stroke: color(step.color), 'stroke-dasharray': '6 4' }));
  }
  body.prepend(svg);
  return { points: drawn.flat().length, texts: [...labels, ...all.map(series => series.name)] };
}

function drawBarGauge(panel, body, width) {
  const all = allSeries(panel);
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const config = panel.fieldConfig.defaults;
  const most = Math.max(...all.map(last));
  const table = element('table');
  for (const series of all) {
    const bar = element('div', { style: `height:18px;background:#5794F2;width:${100 * last(series) / most}%` });
    table.append(element('tr', {}, element('td', {}, series.name), element('td', { style: `width:${width * 0.5}px` }, bar), element('td', { class: 'right' }, worded(last(series), config))));
  }
  body.append(table);
  return { points: all.length, texts: all.flatMap(series => [series.name, worded(last(series), config)]) };
}

function drawTimeline(panel, body, width, height) {
  const all = allSeries(panel);
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const config = panel.fieldConfig.defaults;
  const left = 16 + 6.6 * Math.max(...all.map(series => series.name.length));
  const svg = element('svg', { width, height });
  const x = timeAxis(svg, left, width, height);
  const tall = (height - 22) / all.length;
  const texts = [];
  all.forEach((series, at) => {
    svg.append(element('text', { x: left - 8, y: tall * (at + 0.5) + 4, 'text-anchor': 'end' }, series.name));
    const runs = [];
    for (const [time, value] of series.points) {
      const run = runs[runs.length - 1];
      if (run && run.value === value && time - run.to <= answers.step * 1.5) run.to = time; else runs.push({ from: time, to: time, value });
    }
    for (const run of runs) {
      const wide = x(Math.min(run.to + answers.step, answers.to)) - x(run.from);
      const text = worded(run.value, config);
      svg.append(element('rect', { x: x(run.from), width: Math.max(wide, 1), y: tall * (at + 0.1), height: tall * 0.8, fill: threshold(run.value, config), opacity: 0.85 }));
      if (wide > text.length * 8) svg.append(element('text', { x: x(run.from) + 6, y: tall * (at + 0.5) + 4, style: 'fill:#fff' }, text));
      texts.push(text);
    }
    texts.push(series.name);
  });
  body.append(svg);
  return { points: all.flatMap(series => series.points).length, texts };
}

function drawHeatmap(panel, body, width, height) {
  const bound = series => series.labels.le === '+Inf' ? Infinity : Number(series.labels.le);
  const all = allSeries(panel).sort((one, other) => bound(one) - bound(other));
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const unit = panel.options.yAxis.unit;
  const labels = all.map(series => bound(series) === Infinity ? '+Inf' : worded(bound(series), { unit }));
  const left = 12 + 6.6 * Math.max(...labels.map(label => label.length));
  const svg = element('svg', { width, height });
  const x = timeAxis(svg, left, width, height);
  const tall = (height - 22) / all.length;
  const below = new Map();
  const cells = [];
  all.forEach((series, at) => {
    for (const [time, value] of series.points) {
      cells.push([time, at, value - (below.get(time) ?? 0)]);
      below.set(time, value);
    }
  });
  const most = Math.max(...cells.map(cell => cell[2]), 1e-9);
  const wide = Math.max(1, x(answers.from + answers.step) - x(answers.from));
  for (const [time, at, count] of cells) {
    if (count > 1e-9) svg.append(element('rect', { x: x(time) - wide / 2, width: wide, y: height - 22 - tall * (at + 1), height: tall - 1, fill: '#FF9830', opacity: 0.15 + 0.85 * Math.sqrt(count / most) }));
  }
  labels.forEach((label, at) => { if (at % Math.ceil(14 / tall) === 0) svg.append(element('text', { x: left - 6, y: height - 22 - tall * (at + 0.5) + 4, 'text-anchor': 'end' }, label)); });
  body.append(svg);
  return { points: cells.filter(cell => cell[2] > 1e-9).length, texts: labels };
}

// Frames of rows to frames of rows, as Grafana does it, its faults included.
const TRANSFORMATIONS = {
  // A cell without text is an error there, which leaves the whole panel empty.
  formatString: (frames, options) => frames.map(frame => {
    if (!frame.some(row => options.stringField in row)) return frame;
    return frame.map(row => ({ ...row, [options.stringField]: row[options.stringField].toLowerCase() }));
  }),
  merge: frames => {
    const filled = frames.filter(frame => frame.length);
    const names = [...new Set(filled.flat().flatMap(Object.keys))];
    const common = names.filter(name => filled.every(frame => name in frame[0])).sort();
    const merged = new Map();
    for (const row of filled.flat()) {
      const key = JSON.stringify(common.map(name => row[name]));
      merged.set(key, { ...(merged.get(key) ?? Object.fromEntries(names.map(name => [name, undefined]))), ...row });
    }
    return [[...merged.values()]];
  },
  organize: (frames, options) => frames.map(frame => frame.map(row => {
    const names = Object.keys(row).filter(name => !options.excludeByName[name]);
    names.sort((one, other) => (options.indexByName[one] ?? 99) - (options.indexByName[other] ?? 99));
    return Object.fromEntries(names.map(name => [options.renameByName[name] ?? name, row[name]]));
  })),
};

// Instant answers as rows.
function rows(panel) {
  const value = target => `Value #${target.refId}`;
  let frames = panel.targets.map((target, at) => (answers.panels[panel.id]?.[at]?.result ?? []).map(row => ({ ...row.metric, [value(target)]: Number(row.value[1]) })));
  for (const { id, options } of panel.transformations ?? []) frames = TRANSFORMATIONS[id](frames, options);
  const made = frames[0];
  const order = panel.options.sortBy ?? [];
  return made.sort((one, other) => {
    for (const { displayName, desc } of order) {
      const [a, b] = [one[displayName], other[displayName]].map(value => value ?? -Infinity);
      if (a !== b) return (a < b ? -1 : 1) * (desc ? -1 : 1);
    }
    return 0;
  });
}

function drawTable(panel, body) {
  const all = rows(panel);
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  const names = Object.keys(all[0]).filter(name => !configOf(panel, name).custom?.hidden);
  const side = name => configOf(panel, name).custom?.align === 'right' ? 'right' : '';
  const table = element('table', {}, element('tr', {}, ...names.map(name => element('th', { class: side(name) }, name))));
  const texts = [];
  for (const row of all) {
    table.append(element('tr', {}, ...names.map(name => {
      const config = configOf(panel, name);
      const value = row[name];
      const text = value === undefined ? '' : typeof value === 'number' ? worded(value, config) : value;
      texts.push(text);
      const cell = element('td', { class: side(name) }, element('span', { class: config.links && text ? 'link' : '' }, text));
      const tint = config.color?.mode === 'fixed' ? color(config.color.fixedColor) : typeof value === 'number' ? threshold(value, config) : null;
      const kind = config.custom?.cellOptions?.type;
      if (tint && text && kind === 'color-background') { cell.style.background = tint; if (tint !== 'transparent') cell.style.color = '#111217'; }
      if (tint && kind === 'color-text') cell.style.color = tint;
      return cell;
    })));
  }
  body.append(element('div', { class: 'wide' }, table));
  return { points: all.length, texts, columns: names };
}

function drawAlerts(panel, body) {
  const all = answers.alerts.filter(alert => alert.labels.alertname.includes(panel.options.alertName));
  if (!all.length) { body.append(nothing(panel)); return { points: 0, texts: [] }; }
  all.sort((one, other) => one.state.localeCompare(other.state));
  const list = element('div', { style: 'flex:1;overflow:hidden' });
  for (const alert of all) {
    const badge = element('span', { class: 'badge', style: `background:${alert.state === 'firing' ? COLORS.red : COLORS.orange}` }, alert.state);
    const where = [alert.labels.role, alert.labels.reason, alert.labels.window].filter(Boolean).join(' · ');
    list.append(element('div', { class: 'alert' }, badge, element('span', {}, alert.labels.alertname), element('span', { class: 'dim' }, where)));
  }
  body.append(list);
  return { points: all.length, texts: all.map(alert => alert.labels.alertname) };
}

const KINDS = { stat: drawStat, gauge: drawGauge, timeseries: drawTimeseries, bargauge: drawBarGauge, 'state-timeline': drawTimeline, heatmap: drawHeatmap, table: drawTable, alertlist: drawAlerts };

// ------------------------------------------------------------------ the page

document.getElementById('title').textContent = board.title;
document.getElementById('time').textContent = `${clock(answers.from)} to ${clock(answers.to)} UTC`;
for (const variable of board.templating.list) {
  if (variable.hide === 2) continue;
  const value = answers.values[variable.name] ?? (variable.type === 'query' ? 'All' : variable.type === 'datasource' ? 'Prometheus' : variable.query);
  document.getElementById('variables').append(element('span', {}, element('b', {}, variable.label), value));
}

const grid = document.getElementById('grid');
const summary = [];
let bottom = 0;
for (const panel of board.panels) {
  const { x, y, w, h } = panel.gridPos;
  const column = (WIDTH - 2 * SIDE + GAP) / 24;
  const [left, top, width, height] = [SIDE + x * column, y * UNIT, w * column - GAP, h * UNIT - GAP];
  const box = element('div', { class: panel.type === 'row' ? 'row' : 'panel', style: `left:${left}px;top:${top}px;width:${width}px;height:${height}px` });
  grid.append(box);
  bottom = Math.max(bottom, top + height);
  if (panel.type === 'row') { box.append(`${panel.collapsed ? '▸' : '▾'} ${panel.title}`); continue; }
  const body = element('div', { class: 'body' });
  box.append(element('h3', {}, panel.title), body);
  const seen = KINDS[panel.type](panel, body, width - 18, height - 36);
  const over = [...box.querySelectorAll('td,th,h3')].filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent);
  summary.push({ id: panel.id, title: panel.title, type: panel.type, ...seen, shown: body.textContent, cut: over, bottom: Math.round(TOP + top + height) });
}
grid.style.height = `${bottom + 16}px`;
document.getElementById('summary').textContent = JSON.stringify({ height: TOP + bottom + 16, panels: summary });
