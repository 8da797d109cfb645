import { type KeyEncryptionFile } from '../clients/key-encryption-file.js';
import { type Actor } from '../domain/actor.js';
import { type WrappedKeyStore } from '../persistence/wrapped-key.store.js';
import { type ChangeRunner } from './change-runner.js';
import { type Rewrapped, type RewrapKeys } from './rewrap-keys.js';

/** The last four bytes of a key-encryption key's ID are its version in the file. */
const VERSION_OFFSET = 12;

/**
 * Rotates the key-encryption key while everything runs: every key is wrapped anew under the current version. Former
 * versions stay in the file for as long as backups of the database are kept.
 */
export class RotateKeys {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly keys: WrappedKeyStore,
    private readonly file: KeyEncryptionFile,
    private readonly rewrap: RewrapKeys,
  ) {}

  /**
   * @param isNewVersion adds one to the file first; else the file was changed by other means and is read again.
   * @throws AppError `config.invalid`
   */
  async run(actor: Actor, isNewVersion: boolean): Promise<Rewrapped & { readonly version: number }> {
    const { value: version } = await this.changes.runPlatform(actor, async ({ tx, audit }) => {
      // Two replicas that write the file at once would lose a version, and with it all that it wraps.
      await this.keys.lockRotation(tx);
      if (isNewVersion) this.file.addVersion();
      else this.file.reload();
      const current = this.file.currentId.readUInt32BE(VERSION_OFFSET);
      audit('keys.rotation_started', 'platform', { after: { version: current, isNewVersion } });
      return current;
    });
    const result = await this.rewrap.run();
    await this.changes.runPlatform(actor, ({ audit }) => {
      audit('keys.rewrapped', 'platform', { after: { version, ...result } });
      return Promise.resolve();
    });
    return { ...result, version };
  }
}
