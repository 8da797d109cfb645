import type { FactFeedOptions } from '@posthorn/jetstream/fact-feed-options.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';

/**
 * How facts come. Each batch is a transaction of a dozen statements, however few signals it brings: 31 a second at 200
 * STOPs a second when all came as soon as they could, and what follows a STOP makes the next one late.
 */
export const FEED_OPTIONS: FactFeedOptions = {
  batchFactsMax: SIGNALS_MAX,
  batchIntervalMs: 25,
  patientIntervalMs: 150,
};
