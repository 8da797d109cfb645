import { dashboardQueries } from './dashboards.js';
import { ruleFiles } from './rules.js';

const METRIC = /\b(?:posthorn|process|nodejs)_[a-z0-9_]+\b/g;
const RECORDED = /\bposthorn:[a-z0-9_]+:[a-z0-9_]+\b/g;
const SERIES_OF_HISTOGRAM = /_(bucket|sum|count)$/;

/** Every expression that ships. */
export const shippedExpressions = (): string[] => [
  ...[...ruleFiles().values()].flat().flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ...dashboardQueries(),
];

/** Names of the metrics that rules and dashboards read; of a histogram its own, without ending. */
export const referredMetrics = (): string[] =>
  named(METRIC, (name) => (name.endsWith('_total') ? name : name.replace(SERIES_OF_HISTOGRAM, '')));

/** Names of what rules record and rules or dashboards read. */
export const referredRecords = (): string[] => named(RECORDED);

function named(pattern: RegExp, plain: (name: string) => string = (name) => name): string[] {
  const found = shippedExpressions().flatMap((expr) => expr.match(pattern) ?? []);
  return [...new Set(found.map(plain))].sort();
}
