/** What one run measured of the machine itself. CPU costs in microseconds an event. */
export interface BoundInputs {
  readonly cores: number;
  readonly flushesPerSecond: number;
  /** The generator. */
  readonly generatorMicros: number;
  /** A bare HTTP server. */
  readonly httpMicros: number;
  /** Checking the signature. */
  readonly macMicros: number;
  /** Postgres, for the rows of one event in batches of 64. */
  readonly postgresMicros: number;
}

/** The most that this machine could take. */
export interface Bound {
  readonly flush: number;
  readonly loop: number;
  readonly cpu: number;
  /** The least of the three. */
  readonly total: number;
}

/** Events a flush, when two batches of 64 are under way: half of them on average. */
const ROWS_PER_FLUSH = 32;

/**
 * B: per accepted event the machine must parse HTTP, check a MAC, write and flush rows, and, here, also make
 * the request. No application cost is counted, so B is never reached.
 */
export function boundOf(inputs: BoundInputs): Bound {
  const { cores, generatorMicros, httpMicros, macMicros, postgresMicros } = inputs;
  const flush = inputs.flushesPerSecond * ROWS_PER_FLUSH;
  const loop = (cores * 1e6) / (httpMicros + macMicros);
  const cpu = (cores * 1e6) / (generatorMicros + httpMicros + macMicros + postgresMicros);
  return { flush, loop, cpu, total: Math.min(flush, loop, cpu) };
}
