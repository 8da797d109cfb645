import 'reflect-metadata';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { startProcess } from '@posthorn/server/process.js';
import { AppModule, EXPOSURES } from './app.module.js';
import { readConfig } from './config.js';

const process = startProcess('dispatcher', readConfig());
await runGrpcService({ process, module: AppModule.of(process), exposures: EXPOSURES });
