import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Files with the secrets that a production platform gets from its operator; here made at first start. */
export interface LocalSecrets {
  readonly databasePasswordFile: string;
  readonly kekFile: string;
  readonly operatorKeyFile: string;
  readonly operatorKey: string;
}

/** Makes what is missing in `<dataDir>/secrets` (mode 0700), and keeps what is there. */
export async function ensureLocalSecrets(dataDir: string): Promise<LocalSecrets> {
  const dir = join(dataDir, 'secrets');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const databasePasswordFile = join(dir, 'database-password');
  const kekFile = join(dir, 'kek.json');
  const operatorKeyFile = join(dir, 'operator-key');
  await ensure(databasePasswordFile, () => randomBytes(24).toString('base64url'));
  await ensure(kekFile, () =>
    JSON.stringify({ current: 1, keys: { 1: randomBytes(32).toString('base64') } }),
  );
  const operatorKey = await ensure(operatorKeyFile, () => `phop_${randomBytes(32).toString('base64url')}`);
  return { databasePasswordFile, kekFile, operatorKeyFile, operatorKey };
}

async function ensure(path: string, make: () => string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const text = make();
    await writeFile(path, `${text}\n`, { mode: 0o600, flag: 'wx' });
    return text;
  }
}
