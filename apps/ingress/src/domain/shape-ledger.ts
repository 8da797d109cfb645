import type { BodyShape, FieldType } from './body-shape.js';
import { PATHS_MAX } from './body-shape.js';

/** So many bodies of a kind in a row must bring nothing new before its shape counts as known. */
const LEARNING_SAMPLES = 50;
/** Of a kind whose shape is known, one body in so many is looked at. */
const SAMPLE_EVERY = 64;

/** One body that was looked at. */
export interface ShapeSample {
  readonly shape: BodyShape;
  readonly atMs: number;
  /** 16 bytes. */
  readonly eventId: Buffer;
}

/** What was seen of one type of a field since the last report. Times Unix milliseconds. */
export interface TypeCount {
  readonly firstAtMs: number;
  readonly firstEventId: Buffer;
  lastAtMs: number;
  count: number;
}

/** What was seen of a field since the last report. */
export interface FieldCount {
  count: number;
  /** Samples after the last one with it. */
  absentCount: number;
  absentAtMs: number;
  absentEventId: Buffer;
  readonly types: Map<FieldType, TypeCount>;
}

/** What was seen of a kind since the last report. */
export interface ShapeWindow {
  samples: number;
  readonly firstAtMs: number;
  lastAtMs: number;
  readonly firstEventId: Buffer;
  readonly fields: Map<string, FieldCount>;
}

const NONE = Buffer.alloc(0);

/**
 * The bodies of one kind: which of them are looked at, and what was seen since the last report.
 * Why not each: once a kind's shape is known, the next body says nothing that the last one did not.
 */
export class ShapeLedger {
  private window: ShapeWindow | undefined;
  private readonly known = new Map<string, { samples: number; readonly types: Set<FieldType> }>();
  private samples = 0;
  private quiet = 0;
  private skipped = 0;
  private hasNews = false;

  constructor(public lastAtMs: number) {}

  /** Whether something was seen that was not in a report yet. */
  get isUrgent(): boolean {
    return this.hasNews;
  }

  /** Counts one body that arrived. @returns whether it is to be looked at. */
  isSampled(atMs: number): boolean {
    this.lastAtMs = atMs;
    if (this.quiet < LEARNING_SAMPLES) return true;
    this.skipped = (this.skipped + 1) % SAMPLE_EVERY;
    return this.skipped === 0;
  }

  add({ shape, atMs, eventId }: ShapeSample): void {
    this.window ??= { samples: 0, firstAtMs: atMs, lastAtMs: atMs, firstEventId: eventId, fields: new Map() };
    const { window } = this;
    const isNew = this.learn(shape);
    this.quiet = isNew ? 0 : this.quiet + 1;
    window.samples += 1;
    window.lastAtMs = atMs;
    for (const [path, types] of shape) if (this.known.has(path)) count(window, path, types, atMs, eventId);
    for (const [path, field] of window.fields) {
      if (shape.has(path)) continue;
      if (field.absentCount === 0) [field.absentAtMs, field.absentEventId] = [atMs, eventId];
      field.absentCount += 1;
    }
  }

  /** What was seen since it was taken last; undefined: nothing. */
  take(): ShapeWindow | undefined {
    const { window } = this;
    this.window = undefined;
    this.hasNews = false;
    return window;
  }

  /** @returns whether it has a field or a type that was not there, or lacks one that always was. */
  private learn(shape: BodyShape): boolean {
    let [isNew, isLacking] = [false, false];
    for (const [path, types] of shape) {
      const field = this.known.get(path);
      if (field === undefined) {
        if (this.known.size >= PATHS_MAX) continue;
        this.known.set(path, { samples: this.samples === 0 ? 1 : 0, types: new Set(types) });
        isNew = true;
        continue;
      }
      if (field.samples === this.samples) field.samples += 1;
      for (const type of types) {
        if (field.types.has(type)) continue;
        field.types.add(type);
        isNew = true;
      }
    }
    for (const [path, field] of this.known)
      if (field.samples === this.samples && this.samples > 0 && !shape.has(path)) isLacking = true;
    this.samples += 1;
    this.hasNews ||= isNew;
    return isNew || isLacking;
  }
}

function count(
  window: ShapeWindow,
  path: string,
  types: ReadonlySet<FieldType>,
  atMs: number,
  eventId: Buffer,
): void {
  let field = window.fields.get(path);
  if (field === undefined)
    window.fields.set(
      path,
      (field = { count: 0, absentCount: 0, absentAtMs: 0, absentEventId: NONE, types: new Map() }),
    );
  field.count += 1;
  [field.absentCount, field.absentAtMs, field.absentEventId] = [0, 0, NONE];
  for (const type of types) {
    const known = field.types.get(type);
    if (known === undefined)
      field.types.set(type, { firstAtMs: atMs, firstEventId: eventId, lastAtMs: atMs, count: 1 });
    else [known.count, known.lastAtMs] = [known.count + 1, atMs];
  }
}
