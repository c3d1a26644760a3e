//! PKCS#11 modules: foreign code in this process, which blocks for as long as it likes.
//!
//! A module has one state for the whole process: it is set up once, for all stores that use it, and
//! set up anew only while none of them has a session and no call is under way, as the standard asks
//! (PKCS#11 3.1, section 5.4.2: what C_Finalize does beside other calls is not defined).

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

use super::super::settings::Token;
use super::caller::Caller;
use super::claims::Claim;
use super::fault::{Found, HsmFault};

/// All modules that were asked for. None is ever unloaded: its threads, if it has any, would be left
/// without their code.
static MODULES: Mutex<Vec<Arc<Module>>> = Mutex::new(Vec::new());

/// A module, which stores share.
pub(super) struct Module {
    path: PathBuf,
    /// By what the loader tells one shared object from another: device and inode.
    file: (u64, u64),
    /// Read by whoever calls it, so that nobody sets it up anew meanwhile.
    context: RwLock<Context>,
    /// Sessions that are open.
    sessions: AtomicUsize,
}

#[derive(Default)]
struct Context {
    pkcs11: Option<Pkcs11>,
    is_initialized: bool,
    /// How often it was set up.
    set_ups: u64,
}

/// Where a token is, as the module was set up then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: u64,
    pub(super) set_ups: u64,
}

impl Module {
    /// The one at `path`, which is not loaded yet.
    ///
    /// # Errors
    /// If there is no such file.
    pub(super) fn at(path: &Path) -> io::Result<Arc<Self>> {
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
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

    /// Where it is, whatever the configuration calls it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Loads it and sets it up, unless that is done; `anew` also then, if nobody else uses it: there
    /// are modules that look for tokens only as they are set up.
    pub(super) fn prepare(&self, caller: &Caller, anew: bool) -> Result<(), HsmFault> {
        if caller.call(|| Ok(self.read().is_initialized))? {
            return match anew.then(|| self.context.try_write()) {
                Some(Ok(context)) => self.set_up_anew(caller, context),
                // Somebody calls it, so that it works, or never returns.
                Some(Err(_)) | None => Ok(()),
            };
        }
        caller.call(|| {
            let mut context = self.context.write().unwrap_or_else(PoisonError::into_inner);
            // Another store may have done it meanwhile.
            match context.is_initialized {
                true => Ok(()),
                false => context.initialize(&self.path),
            }
        })
    }

    fn set_up_anew(
        &self,
        caller: &Caller,
        mut context: RwLockWriteGuard<'_, Context>,
    ) -> Result<(), HsmFault> {
        // None can be opened while the lock is held.
        if self.sessions.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        if let Some(pkcs11) = context.pkcs11.clone() {
            context.is_initialized = false;
            caller.call(|| {
                // One that is no longer set up is what is wanted.
                drop(pkcs11.finalize());
                Ok(())
            })?;
        }
        caller.call(|| context.initialize(&self.path))
    }

    /// Where the token is.
    pub(super) fn find(&self, caller: &Caller, token: &Token) -> Result<Place, HsmFault> {
        let set_ups = caller.call(|| Ok(self.read().set_ups))?;
        let mut there = Vec::new();
        for slot in self.call(caller, set_ups, |pkcs11| Ok(pkcs11.get_slots_with_token()?))? {
            // One that cannot be looked at may be another's.
            let label = self.call(caller, set_ups, |pkcs11| {
                let info = pkcs11.get_token_info(slot)?;
                Ok(info.token_initialized().then(|| info.label().to_owned()))
            });
            there.push(Found { slot: slot.id(), label });
        }
        let is_meant = |found: &&Found| match token {
            Token::Slot(slot) => found.slot == *slot && matches!(found.label, Ok(Some(_))),
            Token::Label(label) => matches!(&found.label, Ok(Some(found)) if found == label),
        };
        let mut meant = there.iter().filter(is_meant).map(|found| found.slot);
        match (meant.next(), meant.next()) {
            (Some(slot), None) => Ok(Place { slot, set_ups }),
            (Some(_), Some(_)) => Err(HsmFault::SeveralTokens),
            (None, _) => Err(HsmFault::NoToken { there }),
        }
    }

    /// Whether the token is still there.
    pub(super) fn check(
        &self,
        caller: &Caller,
        place: Place,
        token: &Token,
    ) -> Result<(), HsmFault> {
        let info = self.call(caller, place.set_ups, |pkcs11| {
            Ok(pkcs11.get_token_info(Slot::try_from(place.slot)?)?)
        })?;
        match token {
            Token::Label(label) if info.label() != label => Err(HsmFault::OtherToken),
            Token::Label(_) | Token::Slot(_) => Ok(()),
        }
    }

    /// A session with the token there, whose claim it keeps.
    pub(super) fn open(
        self: &Arc<Self>,
        caller: &Caller,
        claim: &Arc<Claim>,
        place: Place,
    ) -> Result<Session, HsmFault> {
        self.call(caller, place.set_ups, |pkcs11| {
            let session = pkcs11.open_ro_session(Slot::try_from(place.slot)?)?;
            self.sessions.fetch_add(1, Ordering::AcqRel);
            let (module, caller) = (Arc::clone(self), caller.clone());
            Ok(Session { module, caller, session: Some(session), _claim: Arc::clone(claim) })
        })
    }

    /// A call of the module as it was set up then: another set-up may give its slots other ids.
    fn call<T>(
        &self,
        caller: &Caller,
        set_ups: u64,
        call: impl FnOnce(&Pkcs11) -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        caller.call(|| {
            let context = self.read();
            match &context.pkcs11 {
                Some(pkcs11) if context.set_ups == set_ups => call(pkcs11),
                Some(_) | None => Err(HsmFault::Lost),
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
        // It is called by several threads, and may have its own.
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        let result = pkcs11.initialize(arguments).map_err(HsmFault::from);
        self.pkcs11 = Some(pkcs11);
        match result {
            Err(fault) if !fault.is_initialized() => Err(fault),
            Ok(()) | Err(_) => {
                self.is_initialized = true;
                self.set_ups += 1;
                Ok(())
            }
        }
    }
}

/// A session, which one thread uses.
pub(super) struct Session {
    module: Arc<Module>,
    caller: Caller,
    /// There until the end.
    session: Option<Pkcs11Session>,
    _claim: Arc<Claim>,
}

impl Session {
    /// Logs the token's user in, for all sessions with that token.
    pub(super) fn log_in(&self, pin: &RawAuthPin) -> Result<(), HsmFault> {
        match self.call(|session| Ok(session.login_with_raw(UserType::User, pin)?)) {
            Err(fault) if fault.is_logged_in() => Ok(()),
            result => result,
        }
    }

    /// Whether it is still there.
    pub(super) fn check(&self) -> Result<(), HsmFault> {
        self.call(|session| Ok(session.get_session_info().map(drop)?))
    }

    /// Fills `out` with what the token gives.
    pub(super) fn generate(&self, out: &mut [u8]) -> Result<(), HsmFault> {
        self.call(|session| Ok(session.generate_random_slice(out)?))
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&Pkcs11Session) -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        self.caller.call(|| {
            let _nobody_sets_up = self.module.read();
            self.session.as_ref().map_or(Err(HsmFault::Lost), call)
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let session = self.session.take();
        self.caller.close(|| {
            let _nobody_sets_up = self.module.read();
            // It closes itself. One whose token is gone is closed already.
            drop(session);
        });
        self.module.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}
