import { type MetricEntry } from './metric.js';
import { SHARED_METRICS } from './metrics-of-all.js';
import { INTAKE_METRICS } from './metrics-of-intake.js';
import { SENDING_METRICS } from './metrics-of-sending.js';

/** Series that a process may have, whatever tenants and traffic it serves. */
export const SERIES_MAX = 2_000;

/** Every metric of ours: docs/metrics.md shows it, and a test compares it with what the running processes serve. */
export const METRICS: readonly MetricEntry[] = [...INTAKE_METRICS, ...SENDING_METRICS, ...SHARED_METRICS];
