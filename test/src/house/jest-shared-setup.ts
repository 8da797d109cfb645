import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Environment variable: the folder of the platform that the files of one run share. */
export const SHARED_PLATFORM_DIR = 'POSTHORN_TEST_SHARED_PLATFORM';

/** Makes the folder only: a run whose files all start platforms of their own needs none. */
export default async function setUp(): Promise<void> {
  process.env[SHARED_PLATFORM_DIR] = await mkdtemp(join(tmpdir(), 'posthorn-shared-'));
}
