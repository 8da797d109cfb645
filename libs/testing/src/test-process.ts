import { SystemClock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { Health } from '@posthorn/server/health.js';
import { openLogger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import type { Process } from '@posthorn/server/process.js';
import { Tracer } from '@posthorn/server/trace.js';

/**
 * What a class needs of its process, for wiring it by hand: the real parts with a silent log, without export of
 * traces, with the machine's clock.
 * @param overrides such as a FakeClock, a config, or `tls` with files of `makeCertificates`.
 */
export function testProcess<C = Record<string, never>>(
  service: string,
  overrides: Partial<Process<C>> = {},
): Process<C> {
  const clock = overrides.clock ?? new SystemClock();
  const instanceId = overrides.instanceId ?? uuidText(newUuid(clock.nowMs()));
  return {
    service,
    instanceId,
    config: {} as C,
    clock,
    log: openLogger({ level: 'silent', clock, fields: { service, instanceId }, sink: { write: () => true } }),
    metrics: new Metrics(),
    tracer: new Tracer({ service, instanceId, clock, sampleRatio: 0, endpoint: '' }),
    health: new Health(),
    tls: { certFile: '', keyFile: '', caFile: '' },
    ...overrides,
  };
}
