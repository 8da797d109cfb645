/** The processes that there are. */
export const SERVICES = ['ingress', 'events', 'compliance', 'dispatcher', 'tenants', 'api'] as const;
export type Service = (typeof SERVICES)[number];

/** One metric of ours, and who serves it. */
export interface MetricEntry {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Each has few values: never an ID. */
  readonly labels: readonly string[];
  readonly services: readonly Service[];
}

type Unplaced = Omit<MetricEntry, 'services'>;

export const counter = (name: string, help: string, ...labels: string[]): Unplaced => ({
  ...{ name, type: 'counter', help, labels },
});
export const gauge = (name: string, help: string, ...labels: string[]): Unplaced => ({
  ...{ name, type: 'gauge', help, labels },
});
export const histogram = (name: string, help: string, ...labels: string[]): Unplaced => ({
  ...{ name, type: 'histogram', help, labels },
});

/** Metrics that the same processes serve. */
export const servedBy = (services: readonly Service[], metrics: readonly Unplaced[]): MetricEntry[] =>
  metrics.map((metric) => ({ ...metric, services }));
