import {
  applyDecorators,
  createParamDecorator,
  Delete,
  type ExecutionContext,
  Get,
  Patch,
  Post,
  Put,
  SetMetadata,
} from '@nestjs/common';
import { type ErrorCode } from '@posthorn/errors/registry.js';
import { type z } from 'zod';
import { type OperatorScope, type Principal, type Scope, type TenantRef } from '../domain/principal.js';

/** Who may call a route. `tenant` routes also serve operators, for every tenant. */
export type Access =
  | { readonly principal: 'operator'; readonly scope: OperatorScope }
  | {
      readonly principal: 'tenant';
      readonly scope: Scope;
      /** Operators reach by its ID also what is left of a tenant that was deleted; the service says whether there was one. */
      readonly isForDeleted?: true;
    }
  | { readonly principal: 'public' };

/** One operation of the REST API: what validates it is what documents it. */
export interface RouteOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` for parameters, below the server root. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly access: Access;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** The body is rows of this form instead, as JSON Lines or CSV; what is wrong with one does not fail the others. */
  readonly upload?: z.ZodType;
  /** The status of success. */
  readonly status: number;
  /** Whether it answers 202 while a service has not confirmed it. */
  readonly changesConfiguration?: true;
  readonly response?: z.ZodType;
  /** The answer is rows of this form instead, as JSON Lines or CSV, without end. */
  readonly download?: z.ZodType;
  /** The answer is bytes of any type. */
  readonly hasBytes?: true;
  readonly errors?: readonly ErrorCode[];
  /** Dotted paths in the answer that are shown once: stored as null for a repeated Idempotency-Key. */
  readonly secretPaths?: readonly string[];
  /** The service behind it gives the first answer to a repeated Idempotency-Key, in the transaction of the act itself. */
  readonly isRepeatable?: true;
}

/** What a handler gets: everything checked and parsed. */
export interface Call<Body = unknown, Query = unknown> {
  readonly principal: Principal;
  /** The tenant of the path; absent on platform routes. */
  readonly tenant: TenantRef;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly remoteAddress: string;
  /** Empty without one. */
  readonly idempotencyKey: string;
  /** Media types that the caller takes, as sent. */
  readonly accept: string;
  /** W3C traceparent, for what this call causes. */
  readonly traceparent: string;
}

/** An answer whose status differs from the route's. */
export class Answer {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {}
}

export const ROUTE = 'posthorn:route';
const METHODS = { GET: Get, POST: Post, PUT: Put, PATCH: Patch, DELETE: Delete } as const;

/** Declares a handler as an operation of the API. */
export const Route = (options: RouteOptions): MethodDecorator =>
  applyDecorators(
    METHODS[options.method](options.path.replaceAll(/\{(\w+)\}/g, ':$1')),
    SetMetadata(ROUTE, options),
  );

/** Injects the Call that the admission interceptor put on the request. */
export const CallOf = createParamDecorator(
  (_: unknown, context: ExecutionContext): Call => context.switchToHttp().getRequest<{ call: Call }>().call,
);

/** The routes that a controller class declares. */
export function routesOf(controller: new (...args: never[]) => object): RouteOptions[] {
  return Object.getOwnPropertyNames(controller.prototype).flatMap((name) => {
    const handler: unknown = Reflect.get(controller.prototype as object, name);
    const route: unknown = typeof handler === 'function' ? Reflect.getMetadata(ROUTE, handler) : undefined;
    return route === undefined ? [] : [route as RouteOptions];
  });
}
