import 'reflect-metadata';
import { type LoggerService, type ValueProvider } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import { scrub } from './error-text.js';
import { Health } from './health.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { type Process } from './process.js';
import { provideValue } from './provide.js';
import { Tracer } from './trace.js';

/**
 * The objects of the process under their classes: Clock, Logger, Metrics, Health, Tracer.
 * Spread into the providers of an AppModule, so that `provide(Class, Clock, Logger, …)` finds them.
 */
export const processProviders = ({ clock, log, metrics, health, tracer }: Process): ValueProvider[] => [
  provideValue(Clock, clock),
  provideValue(Logger, log),
  provideValue(Metrics, metrics),
  provideValue(Health, health),
  provideValue(Tracer, tracer),
];

/** Nest's own messages in our log: warnings and errors; its start-up chatter only at debug. */
export function nestLogger(log: Logger): LoggerService {
  const textOf = (message: unknown): string =>
    scrub(message instanceof Error ? message.message : String(message));
  const nameOf = (rest: unknown[]): string => String(rest.at(-1) ?? '');
  return {
    log: (message: unknown, ...rest: unknown[]) => log.debug({ name: nameOf(rest) }, textOf(message)),
    debug: (message: unknown, ...rest: unknown[]) => log.debug({ name: nameOf(rest) }, textOf(message)),
    verbose: () => {},
    warn: (message: unknown, ...rest: unknown[]) => log.warn({ name: nameOf(rest) }, textOf(message)),
    error: (message: unknown, ...rest: unknown[]) =>
      log.error(
        { stage: 'nest', ...(message instanceof Error ? { err: message } : {}) },
        message instanceof Error ? 'an error in the framework' : textOf([message, ...rest][0]),
      ),
  };
}
