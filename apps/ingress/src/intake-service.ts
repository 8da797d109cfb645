import cluster from 'node:cluster';
import { type RunningService } from '@posthorn/server/drain.js';
import { runHttpService } from '@posthorn/server/http-service.js';
import { type Process } from '@posthorn/server/process.js';
import { AppModule } from './app.module.js';
import { type Config } from './config.js';
import { IntakeDoor } from './transport/intake-door.js';
import { INTAKE_BODY_BYTES_MAX } from './transport/intake-route.js';

/** Beyond it a worker refuses requests, which says more than a port that is closed. */
const WORKER_READY_WITHIN_MS = 10_000;

/** Serves the intake in this process. */
export function runIntake(process: Process<Config>): Promise<RunningService> {
  const { config, log } = process;
  const { intakeTlsCertFile, intakeTlsKeyFile, intakeClientCaFile } = config;
  const door = new IntakeDoor(
    { certFile: intakeTlsCertFile, keyFile: intakeTlsKeyFile, clientCaFile: intakeClientCaFile },
    log,
  );
  return runHttpService({
    process,
    module: AppModule.of(process, door),
    listen: config.httpListen,
    bodyBytesMax: INTAKE_BODY_BYTES_MAX,
    configure: (fastify) => door.configure(fastify),
    readyWithinMs: cluster.isWorker ? WORKER_READY_WITHIN_MS : 0,
  });
}
