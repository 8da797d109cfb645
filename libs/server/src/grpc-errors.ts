import { Metadata, type ServiceError, status, type StatusObject } from '@grpc/grpc-js';
import { AppError, type FieldError } from '@posthorn/errors/app-error.js';
import { type ErrorCode, isErrorCode } from '@posthorn/errors/registry.js';

const CODE_KEY = 'posthorn-error-code';
const BODY_KEY = 'posthorn-error-bin';
/** Trailers share one HTTP/2 header block, which peers cap at 16 KiB. */
const BODY_BYTES_MAX = 6_000;
const DETAIL_LENGTH_MAX = 1_000;

/** What crosses the wire beside the code. */
interface ErrorBody {
  readonly detail?: string;
  readonly retryAfterMs?: number;
  readonly fields?: readonly FieldError[];
}

/** The trailer of a failed call: the code's gRPC status, and code, detail, retry and fields in metadata. */
export function statusOf(error: AppError): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set(CODE_KEY, error.code);
  metadata.set(BODY_KEY, bodyOf(error));
  // Percent-encoding triples what is not ASCII, so the text outside of the metadata is the title alone.
  return { code: error.entry.grpc, details: error.entry.title, metadata };
}

function bodyOf({ detail, retryAfterMs, fields }: AppError): Buffer {
  const body: ErrorBody = {
    ...(detail === undefined ? {} : { detail: detail.slice(0, DETAIL_LENGTH_MAX) }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  for (let count = fields.length; count > 0; count = Math.floor(count / 2)) {
    const bytes = Buffer.from(JSON.stringify({ ...body, fields: fields.slice(0, count) }));
    if (bytes.length <= BODY_BYTES_MAX) return bytes;
  }
  return Buffer.from(JSON.stringify(body));
}

/** Whether an error is one of serviceErrorOf already. */
export const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && (error as Partial<ServiceError>).metadata instanceof Metadata;

/** The same as an error object of grpc-js, for handlers that call back or destroy their stream. */
export function serviceErrorOf(error: AppError): ServiceError {
  return Object.assign(new Error(error.message), { name: 'AppError', ...statusOf(error) });
}

/** What a message carries of a failed call instead of a trailer. */
export interface WireError {
  /** The gRPC status. */
  readonly status: number;
  readonly details: string;
  /** Empty: no code of ours. */
  readonly errorCode: string;
  readonly errorBody: Buffer;
}

/** The same as a trailer would carry. */
export function wireErrorOf({ code, details, metadata }: Partial<StatusObject>): WireError {
  const [errorCode, errorBody] = [metadata?.get(CODE_KEY)[0], metadata?.get(BODY_KEY)[0]];
  return {
    status: code ?? status.UNKNOWN,
    details: details ?? '',
    errorCode: typeof errorCode === 'string' ? errorCode : '',
    errorBody: Buffer.isBuffer(errorBody) ? errorBody : Buffer.alloc(0),
  };
}

/** And back: the status that `appErrorOf` reads. */
export function statusOfWire(error: WireError): StatusObject {
  const metadata = new Metadata();
  if (error.errorCode !== '') metadata.set(CODE_KEY, error.errorCode);
  if (error.errorBody.length > 0) metadata.set(BODY_KEY, error.errorBody);
  return { code: error.status, details: error.details, metadata };
}

/** The code that a trailer carries, for metrics; the gRPC status where there is none. */
export function codeOfStatus({
  code,
  metadata,
}: {
  code?: status | null;
  metadata?: Metadata | null;
}): string {
  if (code === status.OK) return 'ok';
  const text = metadata?.get(CODE_KEY)[0];
  if (typeof text === 'string' && isErrorCode(text)) return text;
  return code === status.CANCELLED ? 'cancelled' : codeOfTransport(code ?? status.UNKNOWN);
}

/**
 * What a failed call means to its caller: the peer's AppError, or why the peer could not be asked.
 * @param peer name of the service, for the detail.
 */
export function appErrorOf(error: Partial<StatusObject>, peer: string): AppError {
  const text = error.metadata?.get(CODE_KEY)[0];
  if (typeof text !== 'string' || !isErrorCode(text))
    return new AppError(isBug(error) ? 'internal.error' : codeOfTransport(error.code ?? status.UNKNOWN), {
      detail: `${peer}: ${status[error.code ?? status.UNKNOWN]}`,
      cause: error,
    });
  return new AppError(text, { ...readBody(error.metadata?.get(BODY_KEY)[0]), cause: error });
}

/** A message that does not fit its type; grpc-js says so only in the text. Repeating the call would not help. */
const isBug = ({ code, details }: Partial<StatusObject>): boolean =>
  code === status.INTERNAL && /serializ/i.test(details ?? '');

function readBody(bytes: string | Buffer | undefined): ErrorBody {
  if (!Buffer.isBuffer(bytes)) return {};
  try {
    const { detail, retryAfterMs, fields } = JSON.parse(bytes.toString('utf8')) as Partial<ErrorBody>;
    return {
      ...(typeof detail === 'string' ? { detail } : {}),
      ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
      ...(Array.isArray(fields) ? { fields } : {}),
    };
  } catch {
    return {};
  }
}

/**
 * A status that no handler of ours wrote: grpc-js, or a proxy between.
 * Why UNIMPLEMENTED is retryable: during an upgrade an older replica may not know the method yet.
 */
function codeOfTransport(code: status): ErrorCode {
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return 'service.deadline';
    case status.RESOURCE_EXHAUSTED: // a message above the cap: the same request fails again
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
    case status.DATA_LOSS:
      return 'internal.error';
    default:
      return 'service.unavailable';
  }
}
