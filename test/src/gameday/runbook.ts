import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../house/running-platform.js';

/** What a runbook's marked blocks are for, in the order in which they are run. */
export const BLOCKS = ['prepare', 'stop', 'reprocess', 'confirm'] as const;
export type BlockName = (typeof BLOCKS)[number];

/** The commands of one runbook, by what they are for. */
export type Runbook = Readonly<Record<BlockName, string>>;

const BLOCK = /^( *)```sh gameday=(\w+)\n([\s\S]*?)^\1```$/gm;
const OUTPUT_CHARS_MAX = 4_000;

/**
 * The marked blocks of a runbook. Several of one kind are run one after the other.
 * @throws Error when one is missing, or marked as something else.
 */
export function blocksOf(name: string, markdown: string): Runbook {
  const blocks: Record<string, string> = {};
  for (const [, indent, block, lines] of markdown.matchAll(BLOCK)) {
    if (!(BLOCKS as readonly string[]).includes(block!))
      throw new Error(`${name}: there is no kind of block named ${block}`);
    const text = lines!.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    blocks[block!] = (blocks[block!] ?? '') + text;
  }
  const missing = BLOCKS.filter((block) => blocks[block] === undefined);
  if (missing.length > 0) throw new Error(`${name}: no block is marked gameday=${missing.join(', ')}`);
  return blocks as Runbook;
}

/** @throws Error when it is not there, or not whole. */
export const readRunbook = (name: string): Runbook =>
  blocksOf(name, readFileSync(join(ROOT, 'docs/runbooks', `${name}.md`), 'utf8'));

/**
 * Runs a block as somebody would paste it, after the preparation, in a shell of its own.
 * @throws Error with what it printed when a command failed.
 */
export async function runBlock(
  runbook: Runbook,
  block: Exclude<BlockName, 'prepare'>,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const script = `set -eu\n${runbook.prepare}\n${runbook[block]}`;
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: 'C', ...environment };
  const child = spawn('bash', ['-c', script], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the block gameday=${block} ended with ${code}:\n${output}`);
}
