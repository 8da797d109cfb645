import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';

/** Label name → value. Values come from closed sets: never an ID of a tenant, an event, a person. */
export type Labels = Readonly<Record<string, string | number>>;

/** Names are `posthorn_<noun>_<unit>`, counters end in `_total`; units are seconds and bytes. */
export interface MetricOptions {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface Counter {
  inc(labels?: Labels, value?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
/** One value of a gauge at one moment. */
export interface Reading {
  readonly value: number;
  readonly labels?: Labels;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

const NAME = /^posthorn_[a-z0-9_]+$/;
/** 1 ms to 10 s: from one database round trip to the longest deadline. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** Few, because every method of every peer has them: from an answer out of memory to one that nobody waits for. */
export const CALL_BUCKETS: readonly number[] = [0.005, 0.025, 0.1, 0.5, 2.5];

/** The metrics of one process. Asking twice for one name gives the same metric. */
export class Metrics {
  readonly contentType: string;
  private readonly registry = new Registry();

  /** @param hasProcessMetrics CPU, memory, event loop and garbage collection of the process as well. */
  constructor(hasProcessMetrics = false) {
    this.contentType = this.registry.contentType;
    if (hasProcessMetrics) collectDefaultMetrics({ register: this.registry });
  }

  counter(options: MetricOptions): Counter {
    const metric = this.metric(options, (configuration) => new PromCounter<string>(configuration));
    if ((options.labels ?? []).length === 0) metric.inc(0); // so that it is there before the first event
    return { inc: (labels = {}, value = 1) => metric.inc(labels, value) };
  }

  gauge(options: MetricOptions): Gauge {
    const metric = this.metric(options, (configuration) => new PromGauge<string>(configuration));
    return { set: (value, labels = {}) => metric.set(labels, value) };
  }

  /** A gauge whose values are asked for when the metrics are read. @param read cheap; all values that there are. */
  readGauge(options: MetricOptions, read: () => readonly Reading[]): void {
    this.metric(options, (configuration) => {
      const gauge: PromGauge<string> = new PromGauge<string>({
        ...configuration,
        collect: () => {
          gauge.reset();
          for (const { value, labels = {} } of read()) gauge.set(labels, value);
        },
      });
      return gauge;
    });
  }

  histogram(options: MetricOptions & { readonly buckets?: readonly number[] }): Histogram {
    const buckets = [...(options.buckets ?? SECONDS_BUCKETS)];
    const metric = this.metric(
      options,
      (configuration) => new PromHistogram<string>({ ...configuration, buckets }),
    );
    return { observe: (value, labels = {}) => metric.observe(labels, value) };
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  private metric<M>(
    { name, help, labels = [] }: MetricOptions,
    make: (configuration: { name: string; help: string; labelNames: string[]; registers: Registry[] }) => M,
  ): M {
    const known = this.registry.getSingleMetric(name) as M | undefined;
    if (known !== undefined) return known;
    if (!NAME.test(name)) throw new Error(`not a metric name: ${name}`);
    return make({ name, help, labelNames: [...labels], registers: [this.registry] });
  }
}
