import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions } from '@nestjs/microservices';
import { type GrpcExposure } from './call-book.js';
import { type GrpcConfig, type ServerConfig } from './config.js';
import { drainOnSignals, type RunningService } from './drain.js';
import { GrpcErrorFilter, GrpcServer } from './grpc-server.js';
import { openHealthServer, splitListen } from './health-server.js';
import { nestLogger } from './nest.js';
import { type Process } from './process.js';

export { callerOfCall, type GrpcExposure, traceparentOf } from './call-book.js';
export { processProviders } from './nest.js';

/** A process whose main port speaks gRPC. */
export interface GrpcServiceOptions {
  readonly process: Process<ServerConfig & GrpcConfig>;
  /** Nest module class or DynamicModule. */
  readonly module: unknown;
  readonly exposures: readonly GrpcExposure[];
}

/**
 * Serves the exposures over mTLS, and health and metrics beside them, until SIGTERM or SIGINT.
 * Health answers from the first moment, so that a slow start shows as not ready.
 * @throws AppError `config.invalid` without a certificate.
 */
export async function runGrpcService({
  process,
  module,
  exposures,
}: GrpcServiceOptions): Promise<RunningService> {
  let isServing = false;
  process.health.add('start', () => isServing || 'starting');
  const health = await openHealthServer(process, process.config.healthListen);
  const server = new GrpcServer(process, exposures);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module as never, {
    strategy: server,
    logger: nestLogger(process.log),
    abortOnError: false,
  });
  app.useGlobalFilters(new GrpcErrorFilter(process));
  await app.listen();
  isServing = true;
  const address = `${splitListen(process.config.grpcListen).host}:${server.port}`;
  process.log.info({ address, kind: 'grpc' }, 'serving');
  const close = drainOnSignals(process, async () => {
    await app.close();
    await process.tracer.onApplicationShutdown();
    await health.close();
  });
  return { address, healthAddress: health.address, close };
}
