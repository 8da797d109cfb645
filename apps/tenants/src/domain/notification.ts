import { FieldErrors } from './field-errors.js';

export const NOTIFICATION_CHANNELS = ['email', 'webhook'] as const;
export type NotificationChannel = (typeof NOTIFICATION_CHANNELS)[number];
export type NotificationKind =
  'destination.disabled' | 'key.expiring' | 'source.failing' | 'notification.test';
export type NotificationState = 'pending' | 'delivered' | 'dropped';

/** Something that a tenant is told, once for a subject and episode on each of its channels. */
export interface Notification {
  readonly kind: NotificationKind;
  /** UUID text of what it is about. */
  readonly subjectId: string;
  /** Of subjects that it can happen to again; else empty. */
  readonly episode: string;
  /** What happened: IDs and names, no personal data, no secrets. */
  readonly data: object;
}

/** How a notification stands. */
export interface NotificationRecord {
  readonly notificationId: string;
  readonly kind: string;
  readonly channel: string;
  readonly state: string;
  readonly attempts: number;
  readonly detail: string;
  readonly createdAtMs: number;
}

/** Tries at one channel; with the waits between them some 27 hours. */
export const NOTIFICATION_ATTEMPTS_MAX = 10;
/** So long before it expires its owner hears of a key. */
export const KEY_EXPIRING_MS = 7 * 86_400_000;

const BACKOFF_MS_MIN = 30_000;
const BACKOFF_FACTOR = 4;
const BACKOFF_MS_MAX = 6 * 3_600_000;
const EMAIL_LENGTH_MAX = 254; // RFC 5321, 4.5.3.1.3: a path of 256 with its brackets
/** One mailbox without a name, a comment or a quoted part. */
const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;

/** What follows an attempt. @param attempt from 1. @returns the wait before the next one; undefined: there is none. */
export const notificationBackoffMs = (attempt: number): number | undefined =>
  attempt >= NOTIFICATION_ATTEMPTS_MAX
    ? undefined
    : Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * BACKOFF_FACTOR ** (attempt - 1));

/** @param email empty: none. @throws AppError `request.invalid` */
export function checkEmail(email: string): void {
  const errors = new FieldErrors();
  const isAddress = email.length <= EMAIL_LENGTH_MAX && EMAIL.test(email);
  errors.require(email === '' || isAddress, 'email', 'an email address such as ops@example.com');
  errors.throwIfAny();
}
