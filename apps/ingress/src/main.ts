import 'reflect-metadata';
import cluster from 'node:cluster';
import { runHttpService } from '@posthorn/server/http-service.js';
import { startProcess } from '@posthorn/server/process.js';
import { AppModule } from './app.module.js';
import { readConfig } from './config.js';
import { shareMetrics, WorkerPool } from './transport/worker-pool.js';

/** Sources may allow less, never more. */
const BODY_BYTES_MAX = 1_048_576;

const config = readConfig();
const process_ = startProcess('ingress', config);
if (config.ingressProcesses > 1 && cluster.isPrimary) {
  const { log, clock } = process_;
  await new WorkerPool(config.ingressProcesses, config.drainTimeoutMs, log, () => clock.monotonicMs()).run();
  process.exit(0);
} else {
  shareMetrics(process_.metrics);
  await runHttpService({
    process: process_,
    module: AppModule.of(process_),
    listen: config.httpListen,
    bodyBytesMax: BODY_BYTES_MAX,
  });
}
