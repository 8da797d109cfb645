import { readFile } from 'node:fs/promises';
import { type Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { hashToken } from '@posthorn/crypto/token.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { PLATFORM_ID, SELF } from '../domain/actor.js';
import { type AuditStore } from '../persistence/audit.store.js';
import { type OperatorKeyStore } from '../persistence/operator-key.store.js';

const TOKEN = /^[\x21-\x7e]{24,512}$/;
const NAME = 'operator key file';

/**
 * Lets the key of a file in as an operator's, and the one it replaced out. Only its hash is kept.
 * The way back for operators who lost their keys: whoever can change the file can come in.
 */
export class InstallOperatorKey {
  constructor(
    private readonly db: Database,
    private readonly operatorKeys: OperatorKeyStore,
    private readonly audits: AuditStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @param path of the file; empty: operators have the keys they have.
   * @returns whether anything changed; the same file again changes nothing.
   * @throws AppError `config.invalid`
   */
  async run(path: string): Promise<boolean> {
    if (path === '') return false;
    const tokenHash = hashToken(await readToken(path));
    return this.db.transaction(async (tx) => {
      await this.operatorKeys.lock(tx);
      const former = await this.operatorKeys.fileHashes(tx);
      // Also when it was revoked since: a file that nobody touched must not undo that.
      if (former.some((hash) => hash.equals(tokenHash))) return false;
      const nowMs = this.clock.nowMs();
      const keyId = newUuid(nowMs);
      await this.operatorKeys.deleteFileKeys(tx);
      const key = { operatorKeyId: uuidText(keyId), name: NAME, scopes: [], expiresAtMs: null };
      await this.operatorKeys.insert(tx, { ...key, origin: 'file' }, tokenHash, nowMs);
      await this.audits.insert(tx, PLATFORM_ID, {
        auditId: uuidText(newUuid(nowMs)),
        atMs: nowMs,
        actor: SELF,
        action: former.length === 0 ? 'operator_key.installed' : 'operator_key.replaced',
        target: formatId('key', keyId),
        detailJson: JSON.stringify({ after: { name: NAME } }),
      });
      return true;
    });
  }
}

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new AppError('config.invalid', { detail: `${path} cannot be read`, cause });
  }
  if (!TOKEN.test(text))
    throw new AppError('config.invalid', {
      detail: `${path} must hold one key of 24 to 512 printable characters`,
    });
  return text;
}
