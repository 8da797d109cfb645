import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock } from '@posthorn/clock/clock.js';
import { FileKeyWrapper } from '@posthorn/crypto/file-key-wrapper.js';
import { KeyWrapper } from '@posthorn/crypto/key-wrapper.js';
import { sealedKeyId } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';

const KEY_BYTES = 32;
const DRAFT_BYTES = 6;
const MODE_MASK = 0o777;
const VERSION_MAX = 999_999_999;
/** A wrapped value that nobody can open must not make a process read an unchanged file all the time. */
const RELOAD_INTERVAL_MS = 1_000;

interface KeyFile {
  readonly current: number;
  readonly keys: Readonly<Record<string, string>>;
}

/**
 * The key-encryption keys of the file, read again while the process runs: versions may be added to it by another
 * replica, an operator or a mounted Secret.
 */
export class KeyEncryptionFile extends KeyWrapper {
  private wrapper: FileKeyWrapper;
  private reloadedAtMs = -Infinity;
  /** Of the file that was read last. */
  private fingerprint = '';

  /** @throws AppError `config.invalid` */
  constructor(
    private readonly path: string,
    private readonly clock: Clock,
  ) {
    super();
    this.wrapper = this.load();
  }

  /** The ID (16 bytes) that stands in front of what is wrapped now. */
  get currentId(): Buffer {
    return sealedKeyId(this.wrapper.wrap(Buffer.alloc(KEY_BYTES), Buffer.alloc(0)));
  }

  wrap(key: Buffer, aad: Buffer): Buffer {
    return this.wrapper.wrap(key, aad);
  }

  unwrap(wrapped: Buffer, aad: Buffer): Buffer {
    try {
      return this.wrapper.unwrap(wrapped, aad);
    } catch (error) {
      const nowMs = this.clock.monotonicMs();
      const isFresh = nowMs - this.reloadedAtMs < RELOAD_INTERVAL_MS;
      // Another version may have followed at once on the one that was read a moment ago.
      if (isFresh && fingerprintOf(this.path) === this.fingerprint) throw error;
      this.reloadedAtMs = nowMs;
      this.reload();
      return this.wrapper.unwrap(wrapped, aad);
    }
  }

  /** Takes what the file says now. @throws AppError `config.invalid`; what was known stays in use. */
  reload(): void {
    this.wrapper = this.load();
  }

  /**
   * Adds a version and makes it current. On disk, under its final name, before anything is wrapped under it: a key
   * that is lost takes everything with it.
   * @returns the version. @throws AppError `config.invalid` when the file cannot be replaced (as a mounted Secret).
   */
  addVersion(): number {
    const { keys } = JSON.parse(readFileSync(this.path, 'utf8')) as KeyFile;
    const version = Math.max(...Object.keys(keys).map(Number)) + 1;
    if (version > VERSION_MAX)
      throw new AppError('config.invalid', { detail: 'there is no further version' });
    const file: KeyFile = {
      current: version,
      keys: { ...keys, [String(version)]: randomBytes(KEY_BYTES).toString('base64') },
    };
    try {
      replaceFile(this.path, `${JSON.stringify(file)}\n`);
    } catch (cause) {
      throw new AppError('config.invalid', {
        detail: `${this.path} cannot be replaced: add a version to it where it comes from, then call without newVersion`,
        cause,
      });
    }
    this.reload();
    return version;
  }

  private load(): FileKeyWrapper {
    // Before the file is read: one that replaces it meanwhile is another.
    this.fingerprint = fingerprintOf(this.path);
    return FileKeyWrapper.load(this.path);
  }
}

/** Other after each change of the file. Empty when there is none. */
function fingerprintOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? '' : [stats.ino, stats.mtimeNs, stats.size].join();
}

function replaceFile(path: string, text: string): void {
  const draft = `${path}.${randomBytes(DRAFT_BYTES).toString('hex')}`;
  const file = openSync(draft, 'wx', statSync(path).mode & MODE_MASK);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
