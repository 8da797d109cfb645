import { type Clock, SystemClock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { describeLoadedConfig, type ServerConfig } from './config.js';
import { Health, measureHealth } from './health.js';
import { type Logger, type LogSink, openLogger, standardOutput } from './logger.js';
import { Metrics } from './metrics.js';
import { type Tls } from './tls.js';
import { Tracer } from './trace.js';

/** What every object of a process may need from it. */
export interface Process<C = ServerConfig> {
  readonly service: string;
  /** UUID text, new at every start. */
  readonly instanceId: string;
  readonly config: C;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly health: Health;
  readonly tls: Tls;
}

/** Begins a process: log, metrics, traces, health, and an end with a reason for every error nobody caught. */
export function startProcess<C extends ServerConfig>(service: string, config: C): Process<C> {
  const clock = new SystemClock();
  const instanceId = uuidText(newUuid(clock.nowMs()));
  const metrics = new Metrics(true);
  const dropped = metrics.counter({
    name: 'posthorn_log_dropped_total',
    help: 'Log lines that were dropped because nobody read standard output fast enough',
  });
  const sink = standardOutput(() => dropped.inc());
  const log = openLogger({ level: config.logLevel, clock, fields: { service, instanceId }, sink });
  const tracer = new Tracer({
    service,
    instanceId,
    clock,
    sampleRatio: config.traceSampleRatio,
    endpoint: config.otlpEndpoint,
    onExportError: (err) => log.warn({ err, stage: 'trace.export' }, 'traces were not exported'),
  });
  exitOnUncaught(log, clock, sink);
  const line = Object.entries(describeLoadedConfig(config)).map(([name, value]) => `${name}=${value}`);
  log.info({ pid: process.pid, node: process.version, config: line.join(' ') }, 'started');
  const health = new Health();
  measureHealth(metrics, health);
  const tls = { certFile: config.tlsCertFile, keyFile: config.tlsKeyFile, caFile: config.tlsCaFile };
  return { service, instanceId, config, clock, log, metrics, tracer, health, tls };
}

/** Why exit: after an error nobody expected, no state in memory can be trusted; all that counts is in Postgres. */
function exitOnUncaught(log: Logger, clock: Clock, sink: LogSink): void {
  const end = (stage: string) => (err: unknown) => {
    log.error({ err, stage, occurrenceId: uuidText(newUuid(clock.nowMs())) }, 'an error nobody caught');
    process.exit(1);
  };
  process.on('uncaughtException', end('uncaughtException'));
  process.on('unhandledRejection', end('unhandledRejection'));
  process.on('exit', () => sink.flushSync?.());
}
