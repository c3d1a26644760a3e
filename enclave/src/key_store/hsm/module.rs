//! PKCS#11 modules: third-party code in this process, which may block without limit.
//!
//! A module has one state for the whole process, so one initialization serves all stores that use the
//! module. The service initializes a module again only while no store has a session and no thread is in a
//! call. The reason is that the standard does not define the effect of C_Finalize on other calls (PKCS#11
//! 3.1, section 5.4.2).

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session as Pkcs11Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

use super::super::fault::{FoundToken, HsmFault};
use super::super::settings::Token;
use super::call_tracker::ModuleCaller;
use super::token_registry::{TokenClaim, TokenLocation, choose_slot};

/// All modules of the configuration. The service never unloads a module, because a thread that the module
/// created may still run the code of the module.
static MODULES: Mutex<Vec<Arc<Module>>> = Mutex::new(Vec::new());

/// A module, which several stores may share.
pub(super) struct Module {
    path: PathBuf,
    /// Device and inode, by which the dynamic loader identifies shared objects.
    file: (u64, u64),
    /// State of the module. Each call holds the read lock, so that no other thread initializes the module
    /// during the call.
    context: RwLock<Context>,
    /// Number of open sessions.
    sessions: AtomicUsize,
}

#[derive(Default)]
struct Context {
    pkcs11: Option<Pkcs11>,
    is_initialized: bool,
    /// Number of initializations so far.
    initializations: u64,
}

impl Module {
    /// Returns the module at `path` without loading it.
    ///
    /// # Errors
    /// Fails if the file does not exist, cannot be accessed, or is not a regular file.
    pub(super) fn at(path: &Path) -> io::Result<Arc<Self>> {
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = (metadata.dev(), metadata.ino());
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.iter().find(|module| module.file == file) {
            return Ok(Arc::clone(module));
        }
        let (context, sessions) = (RwLock::default(), AtomicUsize::new(0));
        let module = Arc::new(Self { path, file, context, sessions });
        modules.push(Arc::clone(&module));
        Ok(module)
    }

    /// Returns the canonical path of the module.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Loads and initializes the module, unless the module is already initialized.
    ///
    /// If `reinitialize` is true and no store uses the module, initializes the module again. Some modules
    /// look for tokens only during initialization.
    pub(super) fn prepare(
        &self,
        caller: &ModuleCaller,
        reinitialize: bool,
    ) -> Result<(), HsmFault> {
        if caller.call(|| Ok(self.read().is_initialized))? {
            return match reinitialize.then(|| self.context.try_write()) {
                Some(Ok(context)) => self.reinitialize(caller, context),
                // Another thread is in a call. If the call returns, the module works. If the call never
                // returns, no thread can initialize the module.
                Some(Err(_)) | None => Ok(()),
            };
        }
        caller.call(|| {
            let mut context = self.context.write().unwrap_or_else(PoisonError::into_inner);
            // Another store may have initialized the module in the meantime.
            match context.is_initialized {
                true => Ok(()),
                false => context.initialize(&self.path),
            }
        })
    }

    fn reinitialize(
        &self,
        caller: &ModuleCaller,
        mut context: RwLockWriteGuard<'_, Context>,
    ) -> Result<(), HsmFault> {
        // The lock prevents other threads from opening sessions.
        if self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        if let Some(pkcs11) = context.pkcs11.clone() {
            context.is_initialized = false;
            caller.call(|| {
                // An error is ignored: `initialize` also accepts a module that is still initialized.
                drop(pkcs11.finalize());
                Ok(())
            })?;
        }
        caller.call(|| context.initialize(&self.path))
    }

    /// Returns the location of the configured token.
    pub(super) fn find(
        &self,
        caller: &ModuleCaller,
        token: &Token,
    ) -> Result<TokenLocation, HsmFault> {
        let initializations = caller.call(|| Ok(self.read().initializations))?;
        let call_slots = |pkcs11: &Pkcs11| Ok(pkcs11.get_slots_with_token()?);
        let mut found = Vec::new();
        for slot in self.call(caller, initializations, call_slots)? {
            // A fault here may concern the token of another store, so the search continues.
            let label = self.call(caller, initializations, |pkcs11| {
                let info = pkcs11.get_token_info(slot)?;
                Ok(info.token_initialized().then(|| info.label().to_owned()))
            });
            found.push(FoundToken { slot: slot.id(), label });
        }
        choose_slot(found, token).map(|slot| TokenLocation { slot, initializations })
    }

    /// Checks that the token is still there.
    pub(super) fn check(
        &self,
        caller: &ModuleCaller,
        location: TokenLocation,
        token: &Token,
    ) -> Result<(), HsmFault> {
        let info = self.call(caller, location.initializations, |pkcs11| {
            Ok(pkcs11.get_token_info(Slot::try_from(location.slot)?)?)
        })?;
        match token {
            Token::Label(label) if info.label() != label => Err(HsmFault::TokenReplaced),
            Token::Label(_) | Token::Slot(_) => Ok(()),
        }
    }

    /// Opens a session with a token. The session holds the claim on the token.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: &ModuleCaller,
        claim: &Arc<TokenClaim>,
        location: TokenLocation,
    ) -> Result<Session, HsmFault> {
        self.call(caller, location.initializations, |pkcs11| {
            let session = pkcs11.open_ro_session(Slot::try_from(location.slot)?)?;
            self.sessions.fetch_add(1, Ordering::AcqRel);
            let (module, caller) = (Arc::clone(self), caller.clone());
            Ok(Session { module, caller, session: Some(session), _claim: Arc::clone(claim) })
        })
    }

    /// Makes a call. Fails if the module was initialized again, because slots may then have other
    /// identifiers.
    fn call<T>(
        &self,
        caller: &ModuleCaller,
        initializations: u64,
        call: impl FnOnce(&Pkcs11) -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        caller.call(|| {
            let context = self.read();
            match &context.pkcs11 {
                Some(pkcs11) if context.initializations == initializations => call(pkcs11),
                Some(_) | None => Err(HsmFault::ConnectionLost),
            }
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Context> {
        self.context.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Module").field(&self.path).finish()
    }
}

impl Context {
    fn initialize(&mut self, path: &Path) -> Result<(), HsmFault> {
        let pkcs11 = match &self.pkcs11 {
            Some(pkcs11) => pkcs11.clone(),
            None => Pkcs11::new(path)?,
        };
        // Several threads call the module, and the module may create threads of its own.
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        let result = pkcs11.initialize(arguments).map_err(HsmFault::from);
        self.pkcs11 = Some(pkcs11);
        match result {
            Err(fault) if !fault.is_already_initialized() => Err(fault),
            Ok(()) | Err(_) => {
                self.is_initialized = true;
                self.initializations += 1;
                Ok(())
            }
        }
    }
}

/// A session with a token. One thread uses the session.
pub(super) struct Session {
    module: Arc<Module>,
    caller: ModuleCaller,
    /// `None` only while the session is dropped.
    session: Option<Pkcs11Session>,
    _claim: Arc<TokenClaim>,
}

impl Session {
    /// Logs in the token's user, for all sessions with that token.
    pub(super) fn log_in(&self, pin: &RawAuthPin) -> Result<(), HsmFault> {
        match self.call(|session| Ok(session.login_with_raw(UserType::User, pin)?)) {
            Err(fault) if fault.is_already_logged_in() => Ok(()),
            result => result,
        }
    }

    /// Checks that the session is still open.
    pub(super) fn check(&self) -> Result<(), HsmFault> {
        self.call(|session| Ok(session.get_session_info().map(drop)?))
    }

    /// Fills `out` with random bytes of the token.
    pub(super) fn generate(&self, out: &mut [u8]) -> Result<(), HsmFault> {
        self.call(|session| Ok(session.generate_random_slice(out)?))
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&Pkcs11Session) -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        self.caller.call(|| {
            let _no_initialization = self.module.read();
            self.session.as_ref().map_or(Err(HsmFault::ConnectionLost), call)
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let session = self.session.take();
        self.caller.close_session(|| {
            let _no_initialization = self.module.read();
            // Dropping `session` closes the session. If the token is gone, the module has already closed
            // the session.
            drop(session);
        });
        self.module.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}
