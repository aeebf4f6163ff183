import type { Methods } from '../adapters/guard.ts'
import type { AppsFileChecks } from '../apps/apps-file.ts'
import { countries } from '../phone.ts'
import { findWorkflowProblem } from './workflow.ts'

/** What `APPS_FILE` may name: the countries that have numbers, and the methods of the configured providers. */
export const createAppsFileChecks = (methods: Methods): AppsFileChecks =>
  ({ countries, findWorkflowProblem: app => findWorkflowProblem(app, methods) })
