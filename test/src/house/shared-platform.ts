import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePortOffset } from './free-offset.js';
import { SHARED_PLATFORM_DIR } from './jest-shared-setup.js';
import { RunningPlatform } from './running-platform.js';

/** Files that share a platform are one client more often than a client should be. */
const SERVICE_ENV = ['api.API_RATE_PER_SECOND=100000', 'api.API_BURST=100000'];

/**
 * The platform that the files of one run share, each with tenants of its own: nobody stops it, ends its processes or
 * changes what belongs to the platform. The first file that asks starts it, and the end of the run stops it.
 */
export async function sharedPlatform(): Promise<RunningPlatform> {
  const dir = process.env[SHARED_PLATFORM_DIR];
  if (dir === undefined) throw new Error('only system tests share a platform');
  const dataDir = join(dir, 'data');
  if (!existsSync(join(dataDir, 'local.json')))
    await RunningPlatform.start({ dataDir, portOffset: await freePortOffset(), serviceEnv: SERVICE_ENV });
  return RunningPlatform.ofRun(dataDir);
}
