import { DiscardPolicy, RetentionPolicy, StorageType, type JetStreamManager } from '@nats-io/jetstream';
import { FACTS_STREAM, FACTS_SUBJECTS } from './subjects.js';

const MAX_AGE_NS = 60 * 60 * 1_000_000_000;
const MAX_BYTES = 1024 ** 3;
const DUPLICATE_WINDOW_NS = 2 * 60 * 1_000_000_000;

/** How long and how safely the broker keeps facts. It is a carrier: whatever it loses comes from Postgres. */
const CONFIG = {
  subjects: [FACTS_SUBJECTS],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.Old,
  max_age: MAX_AGE_NS,
  max_bytes: MAX_BYTES,
  duplicate_window: DUPLICATE_WINDOW_NS,
};

/** Makes the stream of facts, or brings an existing one to these settings. @param replicas 1, 3 or 5. */
export async function ensureFactsStream(manager: JetStreamManager, replicas: number): Promise<void> {
  const config = { ...CONFIG, num_replicas: replicas };
  try {
    await manager.streams.info(FACTS_STREAM);
    await manager.streams.update(FACTS_STREAM, config);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await manager.streams.add({ name: FACTS_STREAM, ...config });
  }
}

const isNotFound = (error: unknown): boolean =>
  error instanceof Error && error.message === 'stream not found';
