import 'reflect-metadata';
import { runHttpService } from '@posthorn/server/http-service.js';
import { startProcess } from '@posthorn/server/process.js';
import { AppModule } from './app.module.js';
import { readConfig } from './config.js';

const BODY_BYTES_MAX = 1_048_576;

const config = readConfig();
const process_ = startProcess('api', config);
await runHttpService({
  process: process_,
  module: AppModule.of(process_),
  listen: config.httpListen,
  bodyBytesMax: BODY_BYTES_MAX,
});
