/** Where the page begins. */
import './style.css'
import { render } from 'preact'
import { findOutWhoIsHere } from './api.ts'
import { App } from './app.tsx'
import { keepPreferences } from './preferences.ts'

keepPreferences()
findOutWhoIsHere()
const root = document.getElementById('app')
if (root !== null) render(<App />, root)
