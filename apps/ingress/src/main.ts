import 'reflect-metadata';
import cluster from 'node:cluster';
import { startProcess } from '@posthorn/server/process.js';
import { readConfig } from './config.js';
import { runIntake } from './intake-service.js';
import { shareMetrics, WorkerPool } from './transport/worker-pool.js';

const config = readConfig();
const process_ = startProcess('ingress', config);
if (config.ingressProcesses > 1 && cluster.isPrimary) {
  const { log, clock } = process_;
  await new WorkerPool(config.ingressProcesses, config.drainTimeoutMs, log, () => clock.monotonicMs()).run();
  process.exit(0);
} else {
  shareMetrics(process_.metrics);
  await runIntake(process_);
}
