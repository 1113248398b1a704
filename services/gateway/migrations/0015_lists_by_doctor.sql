-- What a doctor has prescribed, filtered and counted from an index alone. Neither doctor nor origin ever changes, and
-- a change of status writes every index of the view anyway. The same in both generations of the views.
-- A short wait, so that a migration never queues behind a long transaction with all traffic behind itself.
SET LOCAL lock_timeout = '5s';

DROP INDEX public.prescription_view_doctor;
DROP INDEX rebuilt.prescription_view_doctor;
DROP INDEX public.prescription_view_status;
DROP INDEX rebuilt.prescription_view_status;

CREATE INDEX prescription_view_doctor ON public.prescription_view
    (tenant_id, doctor_id, created_at DESC, prescription_id DESC) INCLUDE (origin);
CREATE INDEX prescription_view_doctor ON rebuilt.prescription_view
    (tenant_id, doctor_id, created_at DESC, prescription_id DESC) INCLUDE (origin);
CREATE INDEX prescription_view_status ON public.prescription_view
    (tenant_id, status, created_at DESC, prescription_id DESC) INCLUDE (origin, doctor_id);
CREATE INDEX prescription_view_status ON rebuilt.prescription_view
    (tenant_id, status, created_at DESC, prescription_id DESC) INCLUDE (origin, doctor_id);
