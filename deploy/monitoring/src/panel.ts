/** What a number is, for its axis. */
export type Unit = 'reqps' | 'ops' | 's' | 'short' | 'percentunit' | 'bytes' | 'bool';

/** One query of a panel and how its series are called; empty = by their labels. */
export interface Query {
  readonly expr: string;
  readonly legend?: string;
}

/** A panel: what it shows and from which queries. */
export interface Panel {
  readonly title: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** What a reader should make of it. */
  readonly note?: string;
  /** One number instead of a course. */
  readonly isStat?: boolean;
}

/** A dashboard: rows of panels. */
export interface Dashboard {
  /** Also the name of its file, and part of its address in Grafana. */
  readonly name: string;
  readonly title: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const WIDTH = 24;
const [PANEL_HEIGHT, ROW_HEIGHT] = [8, 1];
const PANELS_PER_LINE = 3;
const SCHEMA_VERSION = 39; // Grafana 10.4

const source = { type: 'prometheus', uid: '${datasource}' };

/** A dashboard as Grafana reads it. Source: Grafana's dashboard JSON model, schema version 39, read 2026-11. */
export function grafanaJson({ name, title, rows }: Dashboard): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { h: ROW_HEIGHT, w: WIDTH, x: 0, y };
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos,
      panels: [],
    });
    y += ROW_HEIGHT;
    row.panels.forEach((panel, index) => {
      const width = WIDTH / PANELS_PER_LINE;
      const column = index % PANELS_PER_LINE;
      const line = Math.floor(index / PANELS_PER_LINE);
      const place = { h: PANEL_HEIGHT, w: width, x: column * width, y: y + line * PANEL_HEIGHT };
      panels.push(panelJson(panel, panels.length + 1, place));
    });
    y += Math.ceil(row.panels.length / PANELS_PER_LINE) * PANEL_HEIGHT;
  }
  return {
    ...{ uid: `posthorn-${name}`, title: `Posthorn: ${title}`, tags: ['posthorn'], editable: true },
    ...{ schemaVersion: SCHEMA_VERSION, version: 1, refresh: '30s', time: { from: 'now-3h', to: 'now' } },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
      ],
    },
    annotations: { list: [] },
    panels,
  };
}

function panelJson({ title, unit, queries, note = '', isStat = false }: Panel, id: number, gridPos: object) {
  return {
    ...{ id, title, description: note, gridPos, datasource: source },
    type: isStat ? 'stat' : 'timeseries',
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: isStat
      ? { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }
      : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, index) => ({
      ...{ refId: String.fromCharCode('A'.charCodeAt(0) + index), datasource: source, expr },
      ...(legend !== undefined && { legendFormat: legend }),
    })),
  };
}

/** How fast counters grow, summed up by some labels. */
export const rateBy = (selector: string, by = ''): string =>
  `sum${by === '' ? '' : ` by (${by})`} (rate(${selector}[$__rate_interval]))`;

/** Medians and tails of a histogram. */
export const quantiles = (histogram: string, selector = ''): Query[] =>
  [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(${histogram}_bucket${selector}[$__rate_interval])))`,
    legend: `p${quantile * 100}`,
  }));
