import { type ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { type ErrorCode } from '@posthorn/errors/registry.js';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { reportError } from './error-report.js';
import { type Process } from './process.js';

/** An error as RFC 9457 writes it, with our code and the fields that failed. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail?: string;
  /** Names this occurrence where the log has more about it. */
  readonly instance?: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

export const PROBLEM_TYPE = 'application/problem+json';
const TYPE_PREFIX = 'urn:posthorn:error:';
const OCCURRENCE = /^occurrence ([0-9a-f-]{36})$/;

/** The body of an error answer. */
export function problemOf({ code, entry, detail, fields }: AppError): Problem {
  const occurrenceId = OCCURRENCE.exec(detail ?? '')?.[1];
  return {
    type: TYPE_PREFIX + code,
    title: entry.title,
    status: entry.http,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(occurrenceId === undefined ? {} : { instance: `urn:uuid:${occurrenceId}` }),
    ...(fields.length === 0 ? {} : { errors: fields }),
  };
}

/** Answers with an error: status, problem+json, Retry-After where the error has one. */
export function sendProblem(reply: FastifyReply, error: AppError): void {
  if (reply.sent) return;
  if (error.retryAfterMs !== undefined) void reply.header('retry-after', retryAfterOf(error.retryAfterMs));
  // As bytes: to a text of JSON Fastify adds a charset, which the type does not have.
  void reply
    .code(error.entry.http)
    .header('content-type', PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problemOf(error))));
}

/** The same without Fastify. */
export function writeProblem(response: ServerResponse, error: AppError): void {
  if (response.headersSent) return;
  const body = Buffer.from(JSON.stringify(problemOf(error)));
  if (error.retryAfterMs !== undefined) response.setHeader('retry-after', retryAfterOf(error.retryAfterMs));
  response.writeHead(error.entry.http, { 'content-type': PROBLEM_TYPE, 'content-length': body.length });
  response.end(body);
}

/** In seconds; 0 would be none. */
const retryAfterOf = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1_000)));

/** Errors of controllers, of Fastify itself and of Nest's router, all in one form. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly process: Pick<Process, 'log' | 'clock'>) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    sendProblem(http.getResponse<FastifyReply>(), toAppError(error, request, this.process));
  }
}

/** @returns the AppError to answer with; bugs are logged under an occurrence ID. */
export function toAppError(
  error: unknown,
  request: FastifyRequest,
  { log, clock }: Pick<Process, 'log' | 'clock'>,
): AppError {
  if (error instanceof AppError)
    return reportError(error, `${request.method} ${request.routeOptions.url ?? ''}`, log, clock);
  const code = codeOfStatus(statusOf(error));
  if (code !== undefined) return new AppError(code, { cause: error });
  return reportError(error, `${request.method} ${request.routeOptions.url ?? ''}`, log, clock);
}

/** Errors that Fastify and Nest raise about a request carry the HTTP status; those of our code do not. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const isFastifys = typeof code === 'string' && code.startsWith('FST_');
  return isFastifys && typeof statusCode === 'number' ? statusCode : undefined;
}

function codeOfStatus(status: number | undefined): ErrorCode | undefined {
  switch (status) {
    case 404:
      return 'request.not_found';
    case 405:
      return 'request.method_not_allowed';
    case 408:
      return 'request.timeout';
    case 413:
      return 'request.too_large';
    case 415:
      return 'request.unsupported_media_type';
    default:
      return status !== undefined && status >= 400 && status < 500 ? 'request.malformed' : undefined;
  }
}
