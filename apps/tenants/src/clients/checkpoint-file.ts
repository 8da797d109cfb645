import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { idOfUuid } from '@posthorn/clock/id.js';
import { type Checkpoint, checkpointLine, parseCheckpointLine } from '../domain/audit-checkpoint.js';

const MODE = 0o600;
const NEWLINE = 0x0a;

/**
 * Checkpoints outside of the database: one file a log, only ever added to, each line on disk before the call returns.
 * Why: whoever can rewrite the database can cut off its end, checkpoints included; nobody can do it in two places.
 */
export class CheckpointFile {
  /** @param directory the same for every replica; empty: no copies are kept. */
  constructor(private readonly directory: string) {}

  get isConfigured(): boolean {
    return this.directory !== '';
  }

  /** @throws Error of the file system. */
  async append(checkpoint: Checkpoint): Promise<void> {
    if (!this.isConfigured) return;
    await mkdir(this.directory, { recursive: true });
    const file = await open(this.pathOf(checkpoint.tenantId), 'a+', MODE);
    try {
      const { size } = await file.stat();
      const last = Buffer.alloc(1, NEWLINE);
      if (size > 0) await file.read(last, 0, 1, size - 1);
      // A process that was killed may have left half a line: the new one must not grow onto it.
      const separator = last[0] === NEWLINE ? '' : '\n';
      await file.write(`${separator}${checkpointLine(checkpoint)}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** The lines of one log that can be read; whether they are ours is for their signatures to say. */
  async read(tenantId: string): Promise<Checkpoint[]> {
    if (!this.isConfigured) return [];
    const checkpoints: Checkpoint[] = [];
    const lines = createInterface({ input: createReadStream(this.pathOf(tenantId)), crlfDelay: Infinity });
    try {
      for await (const line of lines) {
        const checkpoint = parseCheckpointLine(line);
        if (checkpoint?.tenantId === tenantId) checkpoints.push(checkpoint);
      }
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    }
    return checkpoints;
  }

  private pathOf(tenantId: string): string {
    return join(this.directory, `${idOfUuid('ten', tenantId)}.jsonl`);
  }
}
