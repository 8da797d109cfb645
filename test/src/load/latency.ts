import { build, type Histogram } from 'hdr-histogram-js';

const MICROSECONDS = 1_000;
const LONGEST_US = 300_000_000;

/** Percentiles of a latency, milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Latencies in an HDR histogram: 1 µs to 5 min, three significant digits. */
export class Latency {
  private readonly histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
    useWebAssembly: false,
  });

  /** @param ms a negative latency (clock noise between processes) counts as 0. */
  record(ms: number): void {
    this.histogram.recordValue(Math.min(LONGEST_US, Math.max(0, Math.round(ms * MICROSECONDS))));
  }

  add(other: Latency): void {
    this.histogram.add(other.histogram);
  }

  summary(): LatencySummary {
    const at = (percentile: number): number => this.histogram.getValueAtPercentile(percentile) / MICROSECONDS;
    return {
      count: this.histogram.totalCount,
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      max: this.histogram.totalCount === 0 ? 0 : this.histogram.maxValue / MICROSECONDS,
    };
  }
}
