import { createReadStream } from 'node:fs';
import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { formatId } from '@posthorn/clock/id.js';
import { journalLine, parseJournalLine, type ErasureOrder } from '../domain/erasure.js';

const MODE = 0o600;
const NEWLINE = 0x0a;
const SUFFIX = '.jsonl';

/**
 * Erasures outside of the database: one file a tenant, only ever added to, each line on disk before the call returns.
 * Why: a backup from before an erasure brings the person back; what does it again must not come out of that backup.
 */
export class ErasureJournal {
  /** @param directory the same for every replica; empty: no journal is kept. */
  constructor(private readonly directory: string) {}

  get isConfigured(): boolean {
    return this.directory !== '';
  }

  /** @throws Error of the file system. */
  async append(order: ErasureOrder): Promise<void> {
    if (!this.isConfigured) return;
    await mkdir(this.directory, { recursive: true });
    const path = join(this.directory, `${formatId('ten', order.tenantId)}${SUFFIX}`);
    const file = await open(path, 'a+', MODE);
    try {
      const { size } = await file.stat();
      const last = Buffer.alloc(1, NEWLINE);
      if (size > 0) await file.read(last, 0, 1, size - 1);
      // A process that was killed may have left half a line: the new one must not grow onto it.
      const separator = last[0] === NEWLINE ? '' : '\n';
      await file.write(`${separator}${journalLine(order)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.syncDirectory();
  }

  /** Everything in it, file by file. Lines that cannot be read are left out. */
  async *entries(): AsyncGenerator<ErasureOrder> {
    if (!this.isConfigured) return;
    for (const name of await this.files()) {
      const input = createReadStream(join(this.directory, name));
      for await (const line of createInterface({ input, crlfDelay: Infinity })) {
        const order = parseJournalLine(line);
        if (order !== undefined) yield order;
      }
    }
  }

  private async files(): Promise<string[]> {
    try {
      return (await readdir(this.directory)).filter((name) => name.endsWith(SUFFIX)).sort();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
      return [];
    }
  }

  /** A new file is there after a power loss only when its folder is written, too. */
  private async syncDirectory(): Promise<void> {
    const folder = await open(this.directory, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
